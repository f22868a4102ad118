#include "services/device_connection/presence_changes.h"

#include <algorithm>
#include <utility>

namespace fleetcast::device_connection {
namespace {

using internal::v1::PresenceChange;

PresenceChange Change(const std::string& device_id, int64_t epoch, int64_t unix_micros, bool connected,
                      bool activity_only) {
  PresenceChange change;
  change.set_device_id(device_id);
  change.set_session_epoch(epoch);
  change.set_connected(connected);
  change.set_activity_unix_micros(unix_micros);
  change.set_activity_only(activity_only);
  return change;
}

}  // namespace

void PresenceChanges::Connected(const std::string& device_id, int64_t epoch, int64_t unix_micros) {
  Merge(Change(device_id, epoch, unix_micros, true, false));
}

void PresenceChanges::Disconnected(const std::string& device_id, int64_t epoch, int64_t unix_micros) {
  Merge(Change(device_id, epoch, unix_micros, false, false));
}

void PresenceChanges::Active(const std::string& device_id, int64_t epoch, int64_t unix_micros) {
  Merge(Change(device_id, epoch, unix_micros, true, true));
}

std::vector<PresenceChange> PresenceChanges::Take(size_t limit) {
  std::vector<PresenceChange> taken;
  taken.reserve(std::min(limit, changes_.size()));
  for (auto next = changes_.begin(); next != changes_.end() && taken.size() < limit; changes_.erase(next++)) {
    taken.push_back(std::move(next->second));
  }
  return taken;
}

void PresenceChanges::PutBack(std::vector<PresenceChange> changes) {
  for (PresenceChange& change : changes) {
    const auto newer = changes_.find(change.device_id());
    if (newer == changes_.end()) {
      changes_.emplace(change.device_id(), std::move(change));
      continue;
    }
    // What came meanwhile is merged onto what comes back, as if it had never left.
    PresenceChange later = std::exchange(newer->second, std::move(change));
    Merge(std::move(later));
  }
}

void PresenceChanges::Merge(PresenceChange change) {
  const auto [slot, inserted] = changes_.try_emplace(change.device_id(), change);
  if (inserted) return;
  PresenceChange& standing = slot->second;
  if (change.session_epoch() < standing.session_epoch()) return;
  const int64_t activity = std::max(standing.activity_unix_micros(), change.activity_unix_micros());
  const bool keeps_state = change.activity_only() && change.session_epoch() == standing.session_epoch();
  // A disconnect is the last word on its epoch; a connect that arrives later is a repetition.
  const bool is_ended =
      change.session_epoch() == standing.session_epoch() && !standing.activity_only() && !standing.connected();
  if (!keeps_state && !is_ended) standing = std::move(change);
  standing.set_activity_unix_micros(activity);
}

}  // namespace fleetcast::device_connection
