// Device records (credentials, status) that were read from the twin service a short time ago.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "fleetcast/internal/v1/device_record.pb.h"
#include "libs/base/mutex.h"

namespace fleetcast::device_connection {

// What the cache says about a device. `record` is null when the device is known not to exist.
struct CachedRecord {
  std::shared_ptr<const internal::v1::DeviceRecord> record;
};

// A bounded cache; the least recently used record goes first. Times are monotonic. Thread-safe.
//
// A record that is read while its device changes must not be cached as current. So a reader takes a ticket before it
// reads, and Put ignores devices that were invalidated after the ticket.
class RecordCache {
 public:
  struct Options {
    size_t records_max = 200'000;
    absl::Duration ttl = absl::Minutes(5);
    absl::Duration negative_ttl =
        absl::Seconds(1);  // Of "does not exist": a device may connect right after its creation.
  };
  using Ticket = uint64_t;

  explicit RecordCache(const Options& options) : options_(options) {}

  std::optional<CachedRecord> Find(std::string_view device_id, absl::Duration now);

  Ticket Begin() const;
  // `record` null: the device does not exist.
  void Put(Ticket ticket, const std::string& device_id, std::shared_ptr<const internal::v1::DeviceRecord> record,
           absl::Duration now);
  void Invalidate(std::string_view device_id);
  // Whether the device was, or may have been, invalidated after the ticket was taken.
  bool ChangedSince(Ticket ticket, const std::string& device_id) const;

  size_t size() const;

 private:
  struct Slot {
    std::string device_id;
    CachedRecord cached;
    absl::Duration expire;
  };
  // Devices invalidated lately; a reader older than the oldest of them is not trusted at all.
  static constexpr size_t kInvalidationsMax = 10'000;

  bool IsOutdated(Ticket ticket, const std::string& device_id) const REQUIRES(mutex_);

  const Options options_;
  mutable Mutex mutex_;
  std::list<Slot> slots_ GUARDED_BY(mutex_);  // Most recently used first.
  absl::flat_hash_map<std::string, std::list<Slot>::iterator> by_device_ GUARDED_BY(mutex_);
  Ticket clock_ GUARDED_BY(mutex_) = 0;      // Counts invalidations.
  Ticket forgotten_ GUARDED_BY(mutex_) = 0;  // Invalidations up to this one are no longer listed.
  absl::flat_hash_map<std::string, Ticket> invalidated_ GUARDED_BY(mutex_);
};

}  // namespace fleetcast::device_connection
