// The sessions that edges opened or announced at this process: who to push to without asking Redis.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/base/mutex.h"
#include "services/device_connection/credential.h"
#include "services/device_connection/session_entry.h"

namespace fleetcast::device_connection {

// One live session.
struct Session {
  std::string device_id;
  int64_t epoch = 0;
  uint64_t session = 0;
  Stored stored = Stored::kUnknown;
  uint32_t subscriptions = 0;
  int64_t connect_unix_micros = 0;
  CredentialId credential = 0;           // What opened it.
  std::shared_ptr<const EdgeName> edge;  // Shared by all sessions of the edge.

  bool has(uint32_t bits) const { return (subscriptions & bits) == bits; }
  SessionEntry ToEntry() const;
};

// At most one session per device, the one with the highest epoch. Bounded by the connections of the attached edges.
// Thread-safe; sharded, so that nothing holds a lock for long.
class SessionTable {
 public:
  // Adds or replaces; false when a session of the device with a higher epoch is known.
  bool Insert(Session session);
  // Removes the device's session if it has this epoch.
  bool Remove(std::string_view device_id, int64_t epoch);
  // Changes the subscriptions of the session, and what is stored of them, if it has this epoch.
  bool SetSubscriptions(std::string_view device_id, int64_t epoch, Stored stored, uint32_t subscriptions);
  // The same for what the session rests on.
  bool SetCredential(std::string_view device_id, int64_t epoch, CredentialId credential);

  std::optional<Session> Find(std::string_view device_id) const;
  // The device whose live session has this epoch; empty if there is none.
  std::string DeviceOf(int64_t epoch) const;

  // Removes and returns the sessions of one life of one edge.
  std::vector<Session> RemoveEdge(const EdgeName& edge);

  // Sessions in pages, one shard each: shard 0 to kShards - 1.
  static constexpr size_t kShards = 16;
  std::vector<Session> Shard(size_t shard) const;

  size_t size() const;

 private:
  struct DeviceShard {
    mutable Mutex mutex;
    absl::flat_hash_map<std::string, Session> sessions GUARDED_BY(mutex);
  };
  struct EpochShard {
    mutable Mutex mutex;
    absl::flat_hash_map<int64_t, std::string> devices GUARDED_BY(mutex);
  };

  DeviceShard& ShardOf(std::string_view device_id);
  const DeviceShard& ShardOf(std::string_view device_id) const;
  void Index(int64_t epoch, const std::string& device_id);
  void Unindex(int64_t epoch);

  std::array<DeviceShard, kShards> shards_;
  std::array<EpochShard, kShards> epochs_;
};

}  // namespace fleetcast::device_connection
