#include "services/device_connection/record_cache.h"

#include <utility>

#include "libs/base/strings.h"

namespace fleetcast::device_connection {

std::optional<CachedRecord> RecordCache::Find(std::string_view device_id, absl::Duration now) {
  MutexLock lock(mutex_);
  const auto found = by_device_.find(Absl(device_id));
  if (found == by_device_.end()) return std::nullopt;
  if (found->second->expire <= now) {
    slots_.erase(found->second);
    by_device_.erase(found);
    return std::nullopt;
  }
  slots_.splice(slots_.begin(), slots_, found->second);
  return found->second->cached;
}

RecordCache::Ticket RecordCache::Begin() const {
  MutexLock lock(mutex_);
  return clock_;
}

void RecordCache::Put(Ticket ticket, const std::string& device_id,
                      std::shared_ptr<const internal::v1::DeviceRecord> record, absl::Duration now) {
  MutexLock lock(mutex_);
  if (IsOutdated(ticket, device_id)) return;
  const absl::Duration expire = now + (record == nullptr ? options_.negative_ttl : options_.ttl);
  if (const auto found = by_device_.find(device_id); found != by_device_.end()) {
    found->second->cached = {std::move(record)};
    found->second->expire = expire;
    slots_.splice(slots_.begin(), slots_, found->second);
    return;
  }
  slots_.push_front({device_id, {std::move(record)}, expire});
  by_device_[device_id] = slots_.begin();
  if (slots_.size() > options_.records_max) {
    by_device_.erase(slots_.back().device_id);
    slots_.pop_back();
  }
}

void RecordCache::Invalidate(std::string_view device_id) {
  MutexLock lock(mutex_);
  ++clock_;
  if (invalidated_.size() >= kInvalidationsMax) {
    invalidated_.clear();
    forgotten_ = clock_ - 1;
  }
  invalidated_[std::string(device_id)] = clock_;
  const auto found = by_device_.find(Absl(device_id));
  if (found == by_device_.end()) return;
  slots_.erase(found->second);
  by_device_.erase(found);
}

bool RecordCache::ChangedSince(Ticket ticket, const std::string& device_id) const {
  MutexLock lock(mutex_);
  return IsOutdated(ticket, device_id);
}

bool RecordCache::IsOutdated(Ticket ticket, const std::string& device_id) const {
  if (ticket < forgotten_) return true;
  const auto found = invalidated_.find(device_id);
  return found != invalidated_.end() && found->second > ticket;
}

size_t RecordCache::size() const {
  MutexLock lock(mutex_);
  return slots_.size();
}

}  // namespace fleetcast::device_connection
