#include "services/device_connection/session_table.h"

#include <algorithm>

#include <functional>
#include <utility>

#include "libs/base/strings.h"

namespace fleetcast::device_connection {

SessionEntry Session::ToEntry() const {
  return {.epoch = epoch,
          .stored = stored,
          .subscriptions = subscriptions,
          .edge = *edge,
          .session = session,
          .connect_unix_micros = connect_unix_micros};
}

bool SessionTable::Insert(Session session) {
  const int64_t epoch = session.epoch;
  const std::string device_id = session.device_id;
  int64_t replaced = 0;
  {
    DeviceShard& shard = ShardOf(device_id);
    MutexLock lock(shard.mutex);
    Session& slot = shard.sessions[device_id];
    if (slot.epoch > epoch) return false;
    replaced = std::exchange(slot, std::move(session)).epoch;
  }
  if (replaced != epoch) Unindex(replaced);
  Index(epoch, device_id);
  return true;
}

bool SessionTable::Remove(std::string_view device_id, int64_t epoch) {
  {
    DeviceShard& shard = ShardOf(device_id);
    MutexLock lock(shard.mutex);
    const auto found = shard.sessions.find(Absl(device_id));
    if (found == shard.sessions.end() || found->second.epoch != epoch) return false;
    shard.sessions.erase(found);
  }
  Unindex(epoch);
  return true;
}

bool SessionTable::SetSubscriptions(std::string_view device_id, int64_t epoch, Stored stored, uint32_t subscriptions) {
  DeviceShard& shard = ShardOf(device_id);
  MutexLock lock(shard.mutex);
  const auto found = shard.sessions.find(Absl(device_id));
  if (found == shard.sessions.end() || found->second.epoch != epoch) return false;
  found->second.stored = stored;
  found->second.subscriptions = subscriptions;
  return true;
}

bool SessionTable::SetCredential(std::string_view device_id, int64_t epoch, CredentialId credential) {
  DeviceShard& shard = ShardOf(device_id);
  MutexLock lock(shard.mutex);
  const auto found = shard.sessions.find(Absl(device_id));
  if (found == shard.sessions.end() || found->second.epoch != epoch) return false;
  found->second.credential = credential;
  return true;
}

std::optional<Session> SessionTable::Find(std::string_view device_id) const {
  const DeviceShard& shard = ShardOf(device_id);
  MutexLock lock(shard.mutex);
  const auto found = shard.sessions.find(Absl(device_id));
  if (found == shard.sessions.end()) return std::nullopt;
  return found->second;
}

std::string SessionTable::DeviceOf(int64_t epoch) const {
  const EpochShard& shard = epochs_[static_cast<size_t>(epoch) % kShards];
  MutexLock lock(shard.mutex);
  const auto found = shard.devices.find(epoch);
  return found == shard.devices.end() ? "" : found->second;
}

std::vector<Session> SessionTable::RemoveEdge(const EdgeName& edge) {
  std::vector<Session> removed;
  for (DeviceShard& shard : shards_) {
    MutexLock lock(shard.mutex);
    absl::erase_if(shard.sessions, [&](const auto& entry) {
      if (*entry.second.edge != edge) return false;
      removed.push_back(entry.second);
      return true;
    });
  }
  for (const Session& session : removed) Unindex(session.epoch);
  return removed;
}

std::vector<Session> SessionTable::Shard(size_t index) const {
  const DeviceShard& shard = shards_[index];
  MutexLock lock(shard.mutex);
  std::vector<Session> sessions;
  sessions.reserve(shard.sessions.size());
  for (const auto& [device_id, session] : shard.sessions) sessions.push_back(session);
  std::sort(sessions.begin(), sessions.end(), [](const Session& a, const Session& b) { return a.epoch < b.epoch; });
  return sessions;
}

size_t SessionTable::size() const {
  size_t size = 0;
  for (const DeviceShard& shard : shards_) {
    MutexLock lock(shard.mutex);
    size += shard.sessions.size();
  }
  return size;
}

SessionTable::DeviceShard& SessionTable::ShardOf(std::string_view device_id) {
  return shards_[std::hash<std::string_view>()(device_id) % kShards];
}

const SessionTable::DeviceShard& SessionTable::ShardOf(std::string_view device_id) const {
  return shards_[std::hash<std::string_view>()(device_id) % kShards];
}

void SessionTable::Index(int64_t epoch, const std::string& device_id) {
  EpochShard& shard = epochs_[static_cast<size_t>(epoch) % kShards];
  MutexLock lock(shard.mutex);
  shard.devices[epoch] = device_id;
}

void SessionTable::Unindex(int64_t epoch) {
  EpochShard& shard = epochs_[static_cast<size_t>(epoch) % kShards];
  MutexLock lock(shard.mutex);
  shard.devices.erase(epoch);
}

}  // namespace fleetcast::device_connection
