#include "services/device_connection/directory_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "libs/base/status_macros.h"
#include "libs/telemetry/log.h"

namespace fleetcast::device_connection {

DirectoryKeeper::DirectoryKeeper(const Parts& parts, const Options& options)
    : parts_(parts), options_(options), thread_([this](std::stop_token stop) { Run(stop); }) {}

void DirectoryKeeper::Run(std::stop_token stop) {
  sweep_at_ = parts_.clock.Monotonic() + 2 * options_.lease;
  do {
    CheckMemory();
    RenewLeases();
    CloseAgain();
    UndoAll();
    LookAtUntold();
    EndEdges();
    parts_.deliveries.OnTime();
    if (HasOneAttachedSince()) sweep_at_ = std::min(sweep_at_, swept_ + kSweepAgain);
    if (parts_.clock.Monotonic() >= sweep_at_) {
      const bool is_complete = Sweep(stop);
      swept_ = parts_.clock.Monotonic();
      sweep_at_ = swept_ + (is_complete ? kSweep : kSweepAgain);
    }
  } while (parts_.clock.Sleep(kTick, stop));
}

absl::Status DirectoryKeeper::Recover() {
  MutexLock lock(recovery_);
  return RecoverLocked();
}

// Looks whether Redis still holds the memory that we know. Another replica may have started a new one.
void DirectoryKeeper::CheckMemory() {
  MutexLock lock(recovery_);
  const absl::Status checked = RecoverLocked();
  if (!checked.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "directory not available", {{"error", checked}});
  }
  if (!parts_.directory.is_settling() || parts_.clock.Monotonic() < settled_at_) return;
  parts_.directory.set_settling(false);
  sweep_at_ = parts_.clock.Monotonic();  // The new memory may be an older copy, which holds sessions that have ended.
}

absl::Status DirectoryKeeper::RecoverLocked() {
  absl::StatusOr<int64_t> standing = parts_.directory.Generation();
  if (!standing.ok() && SessionDirectory::IsLost(standing.status())) {
    parts_.metrics.directory_lost.Add();
    const int64_t seen = std::max(generation_, parts_.directory.seen_generation());
    FLEETCAST_ASSIGN_OR_RETURN(const int64_t raised, parts_.twin.RaiseSessionGeneration(seen));
    // Another replica may have been faster: then its memory will do, and everybody announces only once.
    standing = parts_.directory.Generation();
    if (!standing.ok() && SessionDirectory::IsLost(standing.status())) standing = parts_.directory.Install(raised);
  }
  if (!standing.ok()) return standing.status();
  FLEETCAST_ASSIGN_OR_RETURN(const int64_t reviews, parts_.directory.Reviews());
  const bool is_new = *standing != generation_;
  const bool is_due = reviews != reviews_ && parts_.clock.Monotonic() >= review_at_;
  const bool was_asked = announce_soon_.exchange(false);
  if (!is_new && !is_due && !was_asked) return absl::OkStatus();
  if (is_new) {
    FLEETCAST_LOG(kInfo, "session directory has a new memory", {{"generation", *standing}});
    if (generation_ != 0) {
      parts_.directory.set_settling(true);
      settled_at_ = parts_.clock.Monotonic() + kSettle;
    }
    RenewLeases();  // Before the sessions are entered, or they would be taken for those of dead edges.
  }
  const absl::Status announced = AnnounceAll();
  if (!announced.ok()) {
    announce_soon_ = true;
    return announced;
  }
  generation_ = *standing;
  reviews_ = reviews;
  review_at_ = parts_.clock.Monotonic() + kReviewGap;
  return absl::OkStatus();
}

absl::Status DirectoryKeeper::AnnounceAll() {
  ++rounds_;  // First: what is added to a shard after it was looked at has to notice.
  for (size_t shard = 0; shard < SessionTable::kShards; ++shard) {
    const std::vector<Session> sessions = parts_.sessions.Shard(shard);
    for (size_t begin = 0; begin < sessions.size(); begin += SessionDirectory::kBatchMax) {
      const size_t size = std::min(SessionDirectory::kBatchMax, sessions.size() - begin);
      FLEETCAST_RETURN_IF_ERROR(AnnouncePage(std::span(sessions).subspan(begin, size)));
    }
  }
  return absl::OkStatus();
}

// What does not stand is told at once: should a later page fail, this one is not looked at again.
absl::Status DirectoryKeeper::AnnouncePage(std::span<const Session> sessions) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::vector<bool> stands, EnterAsTheyAre(sessions));
  parts_.metrics.announced.Add(static_cast<double>(sessions.size()));
  EdgeMessages messages;
  for (size_t i = 0; i < sessions.size(); ++i) {
    if (!stands[i]) GiveUp(sessions[i], messages);
  }
  messages.Send();
  return absl::OkStatus();
}

// A device may have subscribed since its session was looked at: it is looked at again while nobody can.
absl::StatusOr<std::vector<bool>> DirectoryKeeper::EnterAsTheyAre(std::span<const Session> sessions) {
  MutexLock lock(entering_);
  std::vector<Announcement> page;
  for (const Session& session : sessions) {
    const auto now = parts_.sessions.Find(session.device_id);
    const bool is_same = now.has_value() && now->epoch == session.epoch;
    page.push_back({session.device_id, is_same ? now->ToEntry() : session.ToEntry()});
  }
  return parts_.directory.Announce(page);
}

absl::StatusOr<std::vector<bool>> DirectoryKeeper::Subscribe(
    const std::vector<SessionDirectory::SubscriptionUpdate>& updates) {
  MutexLock lock(entering_);
  for (const SessionDirectory::SubscriptionUpdate& update : updates) {
    parts_.sessions.SetSubscriptions(update.device_id, update.epoch, update.stored, update.subscriptions);
  }
  return parts_.directory.SetSubscriptions(updates);
}

void DirectoryKeeper::EnterLate(const std::vector<Session>& sessions) {
  if (!sessions.empty() && !AnnouncePage(sessions).ok()) AnnounceSoon();
}

// A newer session stands in the directory.
void DirectoryKeeper::GiveUp(const Session& session, EdgeMessages& messages) {
  parts_.sessions.Remove(session.device_id, session.epoch);
  const auto edge = parts_.edges.Find(*session.edge);
  if (edge == nullptr) return;
  internal::v1::DisconnectSession* disconnect = messages.To(edge).add_disconnects();
  disconnect->set_session(session.session);
  disconnect->set_epoch(session.epoch);
  disconnect->set_reason(internal::v1::DisconnectSession::REASON_TAKEN_OVER);
}

void DirectoryKeeper::RenewLeases() {
  const absl::Duration now = parts_.clock.Monotonic();
  const std::vector<EdgeName> alive = parts_.edges.Alive(now, options_.lease);
  if (alive.empty()) return;
  const absl::Status renewed = parts_.directory.RenewLeases(alive);
  if (!renewed.ok()) FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "leases not renewed", {{"error", renewed}});
  MutexLock lock(leases_mutex_);
  if (!renewed.ok()) {
    leases_.OnFailed(alive, now);
  } else if (leases_.OnRenewed(alive, now)) {
    AnnounceSoon();
  }
}

void DirectoryKeeper::Close(std::vector<SessionDirectory::Ending> endings) {
  for (size_t begin = 0; begin < endings.size(); begin += SessionDirectory::kBatchMax) {
    const size_t end = std::min(begin + SessionDirectory::kBatchMax, endings.size());
    const std::vector<SessionDirectory::Ending> page(endings.begin() + begin, endings.begin() + end);
    const absl::Status closed = parts_.directory.Close(page);
    if (closed.ok()) continue;
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "sessions not closed yet", {{"error", closed}});
    MutexLock lock(unclosed_mutex_);
    for (size_t i = begin; i < endings.size() && unclosed_.size() < kUnclosedMax; ++i) unclosed_.push_back(endings[i]);
    return;
  }
}

// An entry that stayed would make a device that is gone look busy for ever, instead of offline.
void DirectoryKeeper::CloseAgain() {
  std::vector<SessionDirectory::Ending> endings;
  {
    MutexLock lock(unclosed_mutex_);
    endings = std::exchange(unclosed_, {});
  }
  if (!endings.empty()) Close(std::move(endings));
}

void DirectoryKeeper::Undo(const std::vector<NewSession>& sessions) {
  MutexLock lock(unclosed_mutex_);
  const size_t room = kUnclosedMax - std::min(kUnclosedMax, doubtful_.size());
  doubtful_.insert(doubtful_.end(), sessions.begin(), sessions.begin() + std::min(room, sessions.size()));
}

void DirectoryKeeper::UndoAll() {
  std::vector<NewSession> doubtful;
  {
    MutexLock lock(unclosed_mutex_);
    doubtful = std::exchange(doubtful_, {});
  }
  for (size_t begin = 0; begin < doubtful.size(); begin += SessionDirectory::kBatchMax) {
    const size_t end = std::min(begin + SessionDirectory::kBatchMax, doubtful.size());
    if (parts_.directory.Undo({doubtful.begin() + begin, doubtful.begin() + end}).ok()) continue;
    return Undo({doubtful.begin() + begin, doubtful.end()});
  }
}

void DirectoryKeeper::CouldNotTell(const EdgeName& edge) {
  MutexLock lock(unclosed_mutex_);
  untold_.Add(edge, parts_.clock.Monotonic());
}

void DirectoryKeeper::LookAtUntold() {
  std::vector<EdgeName> due;
  {
    MutexLock lock(unclosed_mutex_);
    due = untold_.TakeDue(parts_.clock.Monotonic());
  }
  const auto leases = parts_.directory.HaveLeases(due);
  const bool nobody_lives = leases.ok() && std::find(leases->begin(), leases->end(), true) == leases->end();
  if (nobody_lives || (leases.ok() && parts_.directory.RequestReview().ok())) return;
  for (const EdgeName& edge : due) CouldNotTell(edge);
}

void DirectoryKeeper::EndEdges() {
  for (const Edges::Ended& ended : parts_.edges.TakeEnded(parts_.clock.Monotonic(), options_.lease)) EndLife(ended);
}

void DirectoryKeeper::EndLife(const Edges::Ended& ended) {
  parts_.deliveries.OnEdgeEnded(ended.number);
  const std::vector<Session> sessions = parts_.sessions.RemoveEdge(ended.name);
  if (!ended.is_certain) {
    // Silent here, but another replica may still hear it: then its sessions live on, at home there.
    const auto leases = parts_.directory.HaveLeases({ended.name});
    if (leases.ok() && leases->front()) return;
  }
  FLEETCAST_LOG(kWarning, "edge ended", {{"edge", ended.name.edge_id}, {"sessions", sessions.size()}});
  for (size_t begin = 0; begin < sessions.size(); begin += SessionDirectory::kBatchMax) {
    std::vector<SessionDirectory::Ending> endings;
    const size_t end = std::min(begin + SessionDirectory::kBatchMax, sessions.size());
    for (size_t i = begin; i < end; ++i) {
      endings.push_back({sessions[i].device_id, sessions[i].epoch});
      parts_.presence.Disconnected(sessions[i].device_id, sessions[i].epoch);
    }
    // What stays in Redis names a dead edge, which readers ignore and the sweep removes.
    parts_.directory.Close(endings).IgnoreError();
  }
}

bool DirectoryKeeper::HasOneAttachedSince() const {
  return std::any_of(asked_.begin(), asked_.end(), [&](const auto& entry) {
    const auto& [name, stream] = entry.second;
    const auto edge = parts_.edges.Find(name);
    return edge != nullptr && edge != stream;
  });
}

// Entries of edges that died together with the process that knew them, and of sessions whose end was forgotten.
// False when some could not be looked at.
bool DirectoryKeeper::Sweep(std::stop_token stop) {
  asked_.clear();
  std::string cursor = "0";
  do {
    const auto page = parts_.directory.Scan(cursor, static_cast<int>(SessionDirectory::kBatchMax));
    if (!page.ok() || !EndDead(*page)) return false;
    CheckSessions(*page);
    cursor = page->next;
  } while (cursor != "0" && !stop.stop_requested());
  return true;
}

bool DirectoryKeeper::EndDead(const SessionDirectory::Page& page) {
  std::vector<EdgeName> edges;
  absl::flat_hash_map<std::string, bool> is_alive;  // By boot id.
  for (const Announcement& session : page.sessions) {
    if (is_alive.emplace(session.entry.edge.boot_id, false).second) edges.push_back(session.entry.edge);
  }
  const auto leases = parts_.directory.HaveLeases(edges);
  if (!leases.ok()) return false;
  for (size_t i = 0; i < edges.size(); ++i) is_alive[edges[i].boot_id] = (*leases)[i];
  std::vector<SessionDirectory::Ending> endings;
  for (const Announcement& session : page.sessions) {
    if (is_alive[session.entry.edge.boot_id]) continue;
    if (parts_.edges.Find(session.entry.edge) != nullptr) continue;
    endings.push_back({session.device_id, session.entry.epoch});
    parts_.presence.Disconnected(session.device_id, session.entry.epoch);
  }
  return endings.empty() || parts_.directory.Close(endings).ok();
}

// Redis may have gone back to a copy of itself from before the end of a session: then only its edge knows better. It
// answers as if the session ended now. Also asked about sessions that this process knows: a slow announcement may have
// been overtaken by the end of its session.
void DirectoryKeeper::CheckSessions(const SessionDirectory::Page& page) {
  EdgeMessages messages;
  for (const Announcement& session : page.sessions) {
    const EdgeName& name = session.entry.edge;
    const auto [asked, is_first] = asked_.try_emplace(name.boot_id);
    if (is_first) asked->second = {name, parts_.edges.Find(name)};
    const auto& edge = asked->second.second;
    if (edge == nullptr) continue;
    internal::v1::SessionCheck* check = messages.To(edge).add_session_checks();
    check->set_session(session.entry.session);
    check->set_device_id(session.device_id);
    check->set_epoch(session.entry.epoch);
  }
  messages.Send();
}

}  // namespace fleetcast::device_connection
