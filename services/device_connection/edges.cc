#include "services/device_connection/edges.h"

#include <algorithm>
#include <utility>

namespace fleetcast::device_connection {

bool Edge::Send(internal::v1::AttachResponse message) const {
  if (outlet->TrySend(std::move(message))) return true;
  outlet->Abort();
  return false;
}

Edges::Attached Edges::Attach(const EdgeName& name, std::shared_ptr<EdgeOutlet> outlet, int64_t call_credit,
                              absl::Duration now) {
  MutexLock lock(mutex_);
  Life& life = lives_[name.edge_id];
  Attached attached;
  attached.replaced = std::move(life.stream);
  if (life.name == nullptr || *life.name != name) {
    if (life.name != nullptr) ended_.push_back({life.number, *life.name, true});
    life.number = ++last_number_;
    life.status.Clear();
    life.name = std::make_shared<const EdgeName>(name);
  }
  life.heard = now;
  life.stream = std::make_shared<const Edge>(Edge{life.number, life.name, std::move(outlet), call_credit});
  attached.edge = life.stream;
  return attached;
}

void Edges::Detach(const Edge& edge, absl::Duration now) {
  MutexLock lock(mutex_);
  const auto life = lives_.find(edge.name->edge_id);
  if (life == lives_.end() || life->second.stream.get() != &edge) return;
  life->second.stream = nullptr;
  life->second.heard = now;
}

void Edges::OnHeartbeat(const Edge& edge, absl::Duration now) {
  MutexLock lock(mutex_);
  const auto life = lives_.find(edge.name->edge_id);
  if (life != lives_.end() && life->second.number == edge.number) life->second.heard = now;
}

std::shared_ptr<const Edge> Edges::Find(const EdgeName& name) const {
  MutexLock lock(mutex_);
  const auto life = lives_.find(name.edge_id);
  if (life == lives_.end() || *life->second.name != name) return nullptr;
  return life->second.stream;
}

std::optional<Edges::Described> Edges::Describe(const std::string& edge_id) const {
  MutexLock lock(mutex_);
  const auto life = lives_.find(edge_id);
  if (life == lives_.end() || life->second.stream == nullptr) return std::nullopt;
  return Described{life->second.stream, life->second.status};
}

std::vector<Edges::Described> Edges::DescribeAll() const {
  MutexLock lock(mutex_);
  std::vector<Described> all;
  for (const auto& [edge_id, life] : lives_) {
    if (life.stream != nullptr) all.push_back({life.stream, life.status});
  }
  return all;
}

void Edges::OnStatus(const Edge& edge, const internal::v1::EdgeStatus& status) {
  MutexLock lock(mutex_);
  const auto life = lives_.find(edge.name->edge_id);
  if (life != lives_.end() && life->second.number == edge.number) life->second.status = status;
}

bool Edges::IsOver(const EdgeName& name) const {
  MutexLock lock(mutex_);
  const auto life = lives_.find(name.edge_id);
  return life != lives_.end() && *life->second.name != name;
}

std::vector<EdgeName> Edges::Alive(absl::Duration now, absl::Duration silence) const {
  MutexLock lock(mutex_);
  std::vector<EdgeName> alive;
  for (const auto& [edge_id, life] : lives_) {
    if (life.stream != nullptr && life.heard + silence > now) alive.push_back(*life.name);
  }
  return alive;
}

std::vector<Edges::Ended> Edges::TakeEnded(absl::Duration now, absl::Duration silence) {
  MutexLock lock(mutex_);
  std::vector<Ended> ended = std::exchange(ended_, {});
  std::erase_if(lives_, [&](const auto& entry) {
    const Life& life = entry.second;
    if (life.stream != nullptr || life.heard + silence > now) return false;
    ended.push_back({life.number, *life.name, false});
    return true;
  });
  return ended;
}

std::vector<std::shared_ptr<const Edge>> Edges::AttachedEdges() const {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<const Edge>> streams;
  for (const auto& [edge_id, life] : lives_) {
    if (life.stream != nullptr) streams.push_back(life.stream);
  }
  return streams;
}

void Edges::AbortAll() {
  for (const auto& stream : AttachedEdges()) stream->outlet->Abort();
}

size_t Edges::attached_count() const {
  MutexLock lock(mutex_);
  return static_cast<size_t>(
      std::count_if(lives_.begin(), lives_.end(), [](const auto& entry) { return entry.second.stream != nullptr; }));
}

internal::v1::AttachResponse& EdgeMessages::To(const std::shared_ptr<const Edge>& edge) { return messages_[edge]; }

void EdgeMessages::Send() {
  for (auto& [edge, message] : messages_) edge->Send(std::move(message));
  messages_.clear();
}

}  // namespace fleetcast::device_connection
