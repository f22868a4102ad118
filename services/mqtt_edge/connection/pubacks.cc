#include "services/mqtt_edge/connection/pubacks.h"

#include <algorithm>

#include "libs/mqtt/codec.h"

namespace fleetcast::mqtt_edge {

void Pubacks::Add(uint16_t packet_id, mqtt::ReasonCode reason) {
  entries_.push_back({.packet_id = packet_id,
                      .reason = reason,
                      .waits_for = Wait::kNothing,
                      .call_id = 0,
                      .deadline = absl::InfiniteDuration()});
}

void Pubacks::AddWaiting(uint16_t packet_id, uint64_t call_id, absl::Duration deadline) {
  entries_.push_back({.packet_id = packet_id,
                      .reason = mqtt::ReasonCode::kSuccess,
                      .waits_for = Wait::kAnswer,
                      .call_id = call_id,
                      .deadline = deadline});
}

void Pubacks::AddUndelivered(uint16_t packet_id) {
  entries_.push_back({.packet_id = packet_id,
                      .reason = mqtt::ReasonCode::kSuccess,
                      .waits_for = Wait::kDelivery,
                      .call_id = 0,
                      .deadline = absl::InfiniteDuration()});
}

bool Pubacks::Release(uint64_t call_id) {
  const auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& each) {
    return each.waits_for == Wait::kAnswer && each.call_id == call_id;
  });
  if (entry == entries_.end()) return false;
  entry->waits_for = Wait::kNothing;
  return true;
}

void Pubacks::ReleaseDelivered(size_t count) {
  for (auto entry = entries_.begin(); entry != entries_.end() && count > 0; ++entry) {
    if (entry->waits_for != Wait::kDelivery) continue;
    entry->waits_for = Wait::kNothing;
    --count;
  }
}

int Pubacks::Expire(absl::Duration now) {
  int expired = 0;
  for (Entry& entry : entries_) {
    if (entry.waits_for != Wait::kAnswer || now < entry.deadline) continue;
    entry.waits_for = Wait::kNothing;
    ++expired;
  }
  return expired;
}

int Pubacks::WriteDue(uint8_t level, std::string* output) {
  const auto first = std::find_if(entries_.begin(), entries_.end(),
                                  [](const Entry& entry) { return entry.waits_for != Wait::kNothing; });
  for (auto entry = entries_.begin(); entry != first; ++entry) {
    mqtt::Encode(mqtt::Puback{entry->packet_id, entry->reason}, output, level);
  }
  const auto written = static_cast<int>(first - entries_.begin());
  entries_.erase(entries_.begin(), first);
  if (entries_.empty()) std::vector<Entry>().swap(entries_);  // An idle connection holds no buffers.
  return written;
}

absl::Duration Pubacks::NextDeadline() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const Entry& entry : entries_) {
    if (entry.waits_for == Wait::kAnswer) next = std::min(next, entry.deadline);
  }
  return next;
}

}  // namespace fleetcast::mqtt_edge
