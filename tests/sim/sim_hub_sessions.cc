// The part of SimHub that knows who is connected; as session_opener, session_changes and directory_keeper do it.
#include <algorithm>
#include <utility>

#include "tests/sim/sim_hub_state.h"
#include "tests/sim/world.h"

namespace fleetcast::sim {
namespace {

using device_connection::EdgeName;
using device_connection::Edges;
using device_connection::NewSession;
using device_connection::OpenedSession;
using device_connection::Session;
using device_connection::SessionDirectory;
using device_connection::SessionEntry;
using device_connection::Stored;

constexpr absl::Duration kKeepEvery = absl::Seconds(1);
constexpr absl::Duration kSettleSessions = absl::Seconds(5);
constexpr absl::Duration kSweep = absl::Minutes(5);
constexpr absl::Duration kSweepAgain = absl::Seconds(30);
constexpr absl::Duration kReviewGap = absl::Seconds(5);

}  // namespace

void SimHub::Note(const char* what, const std::string& device_id, int64_t epoch) {
  universe_.Note(what, kNoJob, world_.DeviceOf(device_id), index(), epoch);
}

void SimHub::RefuseOpen(const EdgeRef& edge, uint64_t session) {
  HubFrame frame;
  frame.opened.push_back({.session = session, .is_accepted = false});
  Tell(edge, std::move(frame));
}

void SimHub::Enter(const EdgeRef& edge, const EdgeFrame::Open& open) {
  const bool is_fresh = universe_.random.Chance(300) && world_.twin().is_alive();
  SimTwin::Stored& stored = world_.twin().stored(open.device_id);
  NewSession session{.device_id = open.device_id,
                     .edge = *edge->name,
                     .session = open.session,
                     .connect_unix_micros = absl::ToUnixMicros(clock().Now()),
                     .clean = open.is_clean};
  if (is_fresh) session.stored_subscriptions = stored.subscriptions;
  const int64_t round = state_->rounds;
  auto opened = state_->directory.Open({session});
  if (!opened.ok() && SessionDirectory::IsLost(opened.status()) && Recover().ok()) {
    opened = state_->directory.Open({session});
  }
  if (!opened.ok()) {
    state_->doubtful.push_back(session);
    return RefuseOpen(edge, open.session);
  }
  OpenedSession entered = std::move(opened->front());
  Note("hub enters", open.device_id, entered.entry.epoch);
  world_.OnRegistered(open.device_id, entered.entry.epoch);
  bool session_present =
      !open.is_clean &&
      ((entered.previous.has_value() && entered.previous->stored == Stored::kYes) || stored.has_session);
  const bool needs_twin = open.is_clean || entered.entry.stored == Stored::kUnknown;
  if (needs_twin && !world_.twin().is_alive()) {
    Close(open.device_id, entered.entry.epoch);
    RefuseOpen(edge, open.session);
    return TakeOver(entered);  // The older one has been fenced, so it must go.
  }
  if (open.is_clean)
    stored = {.epoch = std::max(stored.epoch, entered.entry.epoch), .subscriptions = 0, .has_session = false};
  if (!open.is_clean && entered.entry.stored == Stored::kUnknown) {
    entered.entry.stored = Stored::kYes;
    entered.entry.subscriptions = stored.subscriptions;
    session_present = stored.has_session;
    state_->directory.SetSubscriptions({{open.device_id, entered.entry.epoch, Stored::kYes, stored.subscriptions}})
        .IgnoreError();
  }
  // Another thread may have its turn between the two.
  After(WorkTime(),
        [this, edge, open, entered, session_present, round] { Finish(edge, open, entered, session_present, round); });
}

void SimHub::Finish(const EdgeRef& edge, const EdgeFrame::Open& open, const OpenedSession& opened, bool session_present,
                    int64_t round) {
  const SessionEntry& entry = opened.entry;
  Note("hub accepts", open.device_id, entry.epoch);
  HubFrame frame;
  GoOlder(open.device_id, entry.epoch);
  frame.opened.push_back({open.session, true, entry.epoch, entry.subscriptions, session_present});
  const Session session = {.device_id = open.device_id,
                           .epoch = entry.epoch,
                           .session = entry.session,
                           .stored = entry.stored,
                           .subscriptions = entry.subscriptions,
                           .connect_unix_micros = entry.connect_unix_micros,
                           .edge = edge->name};
  const bool is_newest = state_->sessions.Insert(session);
  Tell(edge, std::move(frame));
  if (!is_newest) TellToGo(edge, entry.session, entry.epoch);
  TakeOver(opened);
  if (round != state_->rounds) EnterLate({session});
  if ((entry.subscriptions & mqtt_edge::kMethodsBit) != 0) OnReady({open.device_id});
  if (state_->edges.Find(*edge->name) == edge) return;
  state_->sessions.Remove(open.device_id, entry.epoch);
  Close(open.device_id, entry.epoch);
}

void SimHub::TakeOver(const OpenedSession& opened) {
  if (!opened.previous.has_value() || !opened.previous->is_connected()) return;
  const EdgeRef edge = state_->edges.Find(opened.previous->edge);
  if (edge == nullptr) return state_->untold.Add(opened.previous->edge, clock().Monotonic());
  TellToGo(edge, opened.previous->session, opened.previous->epoch);
}

void SimHub::EnterLate(const std::vector<Session>& sessions) {
  if (!sessions.empty() && !AnnouncePage(sessions).ok()) state_->announce_soon = true;
}

void SimHub::Announce(const EdgeRef& edge, const std::vector<EdgeFrame::Live>& live) {
  RenewLeases();
  const int64_t round = state_->rounds;
  std::vector<device_connection::Announcement> entries;
  std::vector<Session> sessions;
  for (const EdgeFrame::Live& announced : live) {
    sessions.push_back({.device_id = announced.device_id,
                        .epoch = announced.epoch,
                        .session = announced.session,
                        .stored = Stored::kUnknown,
                        .subscriptions = announced.subscriptions,
                        .connect_unix_micros = announced.connect_unix_micros,
                        .edge = edge->name});
    entries.push_back({announced.device_id, sessions.back().ToEntry()});
  }
  auto stands = state_->directory.Announce(entries);
  if (!stands.ok() && SessionDirectory::IsLost(stands.status()) && Recover().ok()) {
    stands = state_->directory.Announce(entries);
  }
  if (!stands.ok()) state_->announce_soon = true;
  std::vector<std::string> ready;
  std::vector<Session> entered;
  HubFrame checks;  // The end of a session may have overtaken its announcement.
  for (size_t i = 0; i < live.size(); ++i) {
    Session& session = sessions[i];
    const auto known = state_->sessions.Find(session.device_id);
    if (known.has_value() && known->epoch == session.epoch) session.stored = known->stored;
    const bool is_standing = !stands.ok() || (*stands)[i];
    Note(!stands.ok()  ? "announced, no Redis"
         : is_standing ? "announced"
                       : "announced, but there is a newer one",
         session.device_id, session.epoch);
    if (is_standing) GoOlder(session.device_id, session.epoch);
    if (!is_standing || !state_->sessions.Insert(session)) {
      TellToGo(edge, session.session, session.epoch);
      continue;
    }
    if (session.has(mqtt_edge::kMethodsBit)) ready.push_back(session.device_id);
    checks.checks.push_back({session.session, session.device_id, session.epoch});
    entered.push_back(session);
  }
  if (round != state_->rounds) EnterLate(entered);
  Tell(edge, std::move(checks));
  OnReady(ready);
}

void SimHub::Subscribe(const EdgeRef& edge, const EdgeFrame::Subscription& change) {
  const Stored keeps = change.is_durable ? Stored::kYes : Stored::kNo;
  state_->sessions.SetSubscriptions(change.device_id, change.epoch, keeps, change.subscriptions);
  const auto stands =
      state_->directory.SetSubscriptions({{change.device_id, change.epoch, keeps, change.subscriptions}});
  if (stands.ok() && !stands->front()) TellToGo(edge, change.session, change.epoch);
  SimTwin::Stored& stored = world_.twin().stored(change.device_id);
  const bool is_saved = world_.twin().is_alive();
  if (change.is_durable && is_saved && change.epoch >= stored.epoch) {
    stored = {.epoch = change.epoch, .subscriptions = change.subscriptions, .has_session = true};
  }
  HubFrame frame;
  frame.saved.push_back({change.session, change.subscriptions, change.is_durable && !is_saved});
  Tell(edge, std::move(frame));
  if ((change.subscriptions & mqtt_edge::kMethodsBit) != 0) OnReady({change.device_id});
}

int64_t SimHub::EpochOf(const EdgeRef& edge, const EdgeFrame::Closed& closed) {
  if (closed.epoch != 0) return closed.epoch;
  const auto concerns = [&](const SessionEntry& entry) {
    return entry.edge == *edge->name && entry.session == closed.session;
  };
  const auto here = state_->sessions.Find(closed.device_id);
  if (here.has_value() && concerns(here->ToEntry())) return here->epoch;
  const auto entries = state_->directory.Find({closed.device_id});
  const bool is_known = entries.ok() && entries->front().has_value() && concerns(*entries->front());
  return is_known ? entries->front()->epoch : 0;
}

void SimHub::CloseSession(const EdgeRef& edge, const EdgeFrame::Closed& closed) {
  const int64_t epoch = EpochOf(edge, closed);
  if (epoch == 0 || world_.options().mutations.hub_ignores_ends) return;
  state_->sessions.Remove(closed.device_id, epoch);
  Close(closed.device_id, epoch);
}

void SimHub::Close(const std::string& device_id, int64_t epoch) {
  const bool is_closed = state_->directory.Close({{device_id, epoch}}).ok();
  Note(is_closed ? "hub closes" : "hub closes later", device_id, epoch);
  if (!is_closed) state_->unclosed.push_back({device_id, epoch});
}

// Tells the session of the device to go that this process knows with an older epoch.
void SimHub::GoOlder(const std::string& device_id, int64_t epoch) {
  const auto known = state_->sessions.Find(device_id);
  if (!known.has_value() || known->epoch >= epoch) return;
  const EdgeRef edge = state_->edges.Find(*known->edge);
  if (edge != nullptr) TellToGo(edge, known->session, known->epoch);
}

void SimHub::Keep() {
  Recover().IgnoreError();
  const absl::Duration now = clock().Monotonic();
  if (state_->directory.is_settling() && now >= state_->settled_at) {
    state_->directory.set_settling(false);
    state_->sweep_at = now;
  }
  RenewLeases();
  for (const auto& ending : std::exchange(state_->unclosed, {})) Close(ending.device_id, ending.epoch);
  std::vector<NewSession> doubtful = std::exchange(state_->doubtful, {});
  if (!doubtful.empty() && !state_->directory.Undo(doubtful).ok()) state_->doubtful = std::move(doubtful);
  LookAtUntold();
  std::vector<Edges::Ended> ended = state_->edges.TakeEnded(now, State::kEdgeLease);
  std::sort(ended.begin(), ended.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  for (const Edges::Ended& each : ended) EndEdge(each);
  state_->table.OnTime(now);
  if (HasOneAttachedSince()) state_->sweep_at = std::min(state_->sweep_at, state_->swept + kSweepAgain);
  if (now >= state_->sweep_at) {
    const bool is_complete = Sweep();
    state_->swept = now;
    state_->sweep_at = now + (is_complete ? kSweep : kSweepAgain);
  }
  After(kKeepEvery, [this] { Keep(); });
}

void SimHub::LookAtUntold() {
  const std::vector<EdgeName> due = state_->untold.TakeDue(clock().Monotonic());
  const auto leases = state_->directory.HaveLeases(due);
  const bool nobody_lives = leases.ok() && std::find(leases->begin(), leases->end(), true) == leases->end();
  if (nobody_lives || (leases.ok() && state_->directory.RequestReview().ok())) return;
  for (const EdgeName& edge : due) state_->untold.Add(edge, clock().Monotonic());
}

void SimHub::RenewLeases() {
  const absl::Duration now = clock().Monotonic();
  const std::vector<EdgeName> alive = state_->edges.Alive(now, State::kEdgeLease);
  if (alive.empty()) return;
  if (!state_->directory.RenewLeases(alive).ok()) return state_->leases.OnFailed(alive, now);
  if (state_->leases.OnRenewed(alive, now)) state_->announce_soon = true;
}

absl::Status SimHub::Recover() {
  State& state = *state_;
  absl::StatusOr<int64_t> standing = state.directory.Generation();
  if (!standing.ok() && SessionDirectory::IsLost(standing.status())) {
    if (!world_.twin().is_alive()) return absl::UnavailableError("simulated: no twin");
    const int64_t seen = std::max(state.generation, state.directory.seen_generation());
    const int64_t raised = world_.twin().RaiseGeneration(seen);
    standing = state.directory.Generation();
    if (!standing.ok() && SessionDirectory::IsLost(standing.status())) standing = state.directory.Install(raised);
  }
  if (!standing.ok()) return standing.status();
  const auto reviews = state.directory.Reviews();
  if (!reviews.ok()) return reviews.status();
  const bool is_new = *standing != state.generation;
  const bool is_due = *reviews != state.reviews && clock().Monotonic() >= state.review_at;
  const bool was_asked = std::exchange(state.announce_soon, false);
  if (!is_new && !is_due && !was_asked) return absl::OkStatus();
  if (is_new) {
    universe_.Note("hub sees a new memory", kNoJob, kNoDevice, index(), *standing);
    if (state.generation != 0) {
      state.directory.set_settling(true);
      state.settled_at = clock().Monotonic() + kSettleSessions;
    }
    RenewLeases();
  }
  const absl::Status announced = AnnounceAll();
  if (!announced.ok()) {
    state.announce_soon = true;
    return announced;
  }
  state.generation = *standing;
  state.reviews = *reviews;
  state.review_at = clock().Monotonic() + kReviewGap;
  return absl::OkStatus();
}

absl::Status SimHub::AnnounceAll() {
  ++state_->rounds;
  std::vector<Session> sessions;
  for (size_t shard = 0; shard < device_connection::SessionTable::kShards; ++shard) {
    for (Session& session : state_->sessions.Shard(shard)) sessions.push_back(std::move(session));
  }
  std::sort(sessions.begin(), sessions.end(), [](const auto& a, const auto& b) { return a.device_id < b.device_id; });
  return AnnouncePage(sessions);
}

absl::Status SimHub::AnnouncePage(const std::vector<Session>& sessions) {
  std::vector<device_connection::Announcement> entries;
  for (const Session& session : sessions) entries.push_back({session.device_id, session.ToEntry()});
  const auto stands = state_->directory.Announce(entries);
  if (!stands.ok()) return stands.status();
  for (size_t i = 0; i < sessions.size(); ++i) {
    if ((*stands)[i]) continue;
    state_->sessions.Remove(sessions[i].device_id, sessions[i].epoch);
    const EdgeRef edge = state_->edges.Find(*sessions[i].edge);
    if (edge != nullptr) TellToGo(edge, sessions[i].session, sessions[i].epoch);
  }
  return absl::OkStatus();
}

void SimHub::EndEdge(const Edges::Ended& ended) {
  universe_.Note("hub ends an edge", kNoJob, kNoDevice, index(), static_cast<int64_t>(ended.number));
  std::vector<device_connection::RoutedEvent> events = state_->table.OnEdgeLost(ended.number, clock().Monotonic());
  std::sort(events.begin(), events.end(),
            [](const auto& a, const auto& b) { return a.event.call_id() < b.event.call_id(); });
  if (world_.options().mutations.hub_denies_lost_calls) {
    for (auto& event : events)
      event.event.mutable_not_sent()->set_reason(internal::v1::NOT_SENT_REASON_DEVICE_DISABLED);
  }
  Route(std::move(events));
  std::vector<Session> sessions = state_->sessions.RemoveEdge(ended.name);
  std::sort(sessions.begin(), sessions.end(), [](const auto& a, const auto& b) { return a.device_id < b.device_id; });
  if (!ended.is_certain) {
    const auto leases = state_->directory.HaveLeases({ended.name});
    if (leases.ok() && leases->front()) return;
  }
  for (const Session& session : sessions) {
    Note("closed with its edge", session.device_id, session.epoch);
    state_->directory.Close({{session.device_id, session.epoch}}).IgnoreError();
  }
}

bool SimHub::HasOneAttachedSince() const {
  return std::any_of(state_->asked.begin(), state_->asked.end(), [&](const auto& asked) {
    const EdgeRef edge = state_->edges.Find(asked.first);
    return edge != nullptr && edge != asked.second;
  });
}

bool SimHub::Sweep() {
  state_->asked.clear();
  const auto page = state_->directory.Scan("0", 1000);
  if (!page.ok()) return false;
  bool is_complete = true;
  for (const auto& session : page->sessions) {
    const EdgeName& edge = session.entry.edge;
    const EdgeRef attached = state_->edges.Find(edge);
    state_->asked.emplace_back(edge, attached);
    Note(attached == nullptr ? "swept over" : "hub asks the edge", session.device_id, session.entry.epoch);
    if (attached != nullptr && !world_.options().mutations.hub_checks_no_sessions) {
      HubFrame frame;
      frame.checks.push_back({session.entry.session, session.device_id, session.entry.epoch});
      Tell(attached, std::move(frame));
    }
    const auto leases = state_->directory.HaveLeases({edge});
    if (!leases.ok()) is_complete = false;
    if (!leases.ok() || leases->front() || attached != nullptr) continue;
    Note("swept", session.device_id, session.entry.epoch);
    if (!state_->directory.Close({{session.device_id, session.entry.epoch}}).ok()) is_complete = false;
  }
  return is_complete;
}

}  // namespace fleetcast::sim
