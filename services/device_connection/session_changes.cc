#include "services/device_connection/session_changes.h"

#include <utility>

#include "libs/telemetry/log.h"
#include "services/device_connection/session_expiry.h"

namespace fleetcast::device_connection {

namespace pb = ::fleetcast::internal::v1;

namespace {

constexpr size_t kBatchMax = SessionDirectory::kBatchMax;

void TellToGo(const std::shared_ptr<const Edge>& edge, uint64_t session, int64_t epoch, EdgeMessages& messages,
              pb::DisconnectSession::Reason reason = pb::DisconnectSession::REASON_TAKEN_OVER) {
  pb::DisconnectSession* disconnect = messages.To(edge).add_disconnects();
  disconnect->set_session(session);
  disconnect->set_epoch(epoch);
  disconnect->set_reason(reason);
}

// Hands neighbours of one kind over together.
template <typename A, typename B, typename HandleA, typename HandleB>
void ForEachRun(std::vector<std::variant<A, B>> batch, const HandleA& handle_a, const HandleB& handle_b) {
  std::vector<A> run_a;
  std::vector<B> run_b;
  const auto flush = [&] {
    if (!run_a.empty()) handle_a(std::exchange(run_a, {}));
    if (!run_b.empty()) handle_b(std::exchange(run_b, {}));
  };
  for (auto& element : batch) {
    if (A* a = std::get_if<A>(&element)) {
      if (!run_b.empty()) flush();
      run_a.push_back(std::move(*a));
    } else {
      if (!run_a.empty()) flush();
      run_b.push_back(std::move(std::get<B>(element)));
    }
  }
  flush();
}

Session ToSession(const pb::LiveSession& live, const Edge& edge) {
  return {.device_id = live.device_id(),
          .epoch = live.epoch(),
          .session = live.session(),
          .stored = Stored::kUnknown,
          .subscriptions = live.subscriptions(),
          .connect_unix_micros = live.connect_unix_micros(),
          .credential = live.credential(),
          .edge = edge.name};
}

}  // namespace

SessionChanges::SessionChanges(const Parts& parts)
    : parts_(parts),
      told_({.queue_max = kQueueMax, .batch_max = kBatchMax},
            [this](std::vector<Told> batch) { HandleTold(std::move(batch)); }),
      closed_({.queue_max = kQueueMax, .batch_max = kBatchMax},
              [this](std::vector<Closed> batch) { HandleClosed(std::move(batch)); }),
      forgotten_({.queue_max = kQueueMax, .batch_max = kBatchMax},
                 [this](std::vector<std::string> batch) { HandleForgotten(std::move(batch)); }) {}

void SessionChanges::Announce(std::shared_ptr<const Edge> edge, pb::LiveSession session) {
  if (told_.TrySubmit(Live{edge, std::move(session)})) return;
  parts_.metrics.refused.With({"announce"}).Add();
  edge->outlet->Abort();  // It will announce everything again.
}

void SessionChanges::Subscribe(std::shared_ptr<const Edge> edge, pb::SubscriptionChange change) {
  const uint64_t session = change.session();
  if (told_.TrySubmit(Subscription{edge, std::move(change)})) return;
  parts_.metrics.refused.With({"subscribe"}).Add();
  pb::AttachResponse response;
  response.add_subscriptions_saved()->set_session(session);
  response.mutable_subscriptions_saved(0)->set_failed(true);
  edge->Send(std::move(response));
}

void SessionChanges::Close(std::shared_ptr<const Edge> edge, pb::SessionClosed closed) {
  if (closed_.TrySubmit({std::move(edge), std::move(closed)})) return;
  parts_.metrics.refused.With({"close"}).Add();
}

void SessionChanges::ForgetStored(const std::string& device_id) {
  if (forgotten_.TrySubmit(device_id)) return;
  parts_.metrics.refused.With({"forget"}).Add();
}

void SessionChanges::HandleTold(std::vector<Told> batch) {
  ForEachRun(
      std::move(batch), [this](std::vector<Live> run) { HandleAnnounced(std::move(run)); },
      [this](std::vector<Subscription> run) { HandleSubscriptions(std::move(run)); });
}

void SessionChanges::HandleAnnounced(std::vector<Live> batch) {
  parts_.keeper.RenewLeases();  // Their edge may have attached just now; without a lease it would look dead.
  const int64_t round = parts_.keeper.rounds();
  std::vector<bool> stands(batch.size(), true);
  if (!EnterAgain(batch, &stands)) parts_.keeper.AnnounceSoon();
  EdgeMessages messages;
  std::vector<Live> live;
  std::vector<Session> entered;
  std::vector<std::string> ready;
  for (size_t i = 0; i < batch.size(); ++i) {
    const pb::LiveSession& announced = batch[i].session;
    Session session = ToSession(announced, *batch[i].edge);
    const auto known = parts_.sessions.Find(session.device_id);
    if (known.has_value() && known->epoch == session.epoch) session.stored = known->stored;
    if (!stands[i] || !parts_.sessions.Insert(session)) {
      TellToGo(batch[i].edge, announced.session(), announced.epoch(), messages);
      continue;
    }
    // After a lost memory the older one may have been announced first: then nobody told it to go.
    const auto older = known.has_value() && known->epoch < session.epoch ? parts_.edges.Find(*known->edge) : nullptr;
    if (older != nullptr) TellToGo(older, known->session, known->epoch, messages);
    parts_.presence.Connected(session);
    // The end of the session may have overtaken its announcement: the edge answers if it is gone.
    pb::SessionCheck* check = messages.To(batch[i].edge).add_session_checks();
    check->set_session(session.session);
    check->set_device_id(session.device_id);
    check->set_epoch(session.epoch);
    if (session.has(pb::SUBSCRIPTION_BIT_METHODS)) ready.push_back(session.device_id);
    live.push_back(std::move(batch[i]));
    entered.push_back(std::move(session));
  }
  if (parts_.keeper.rounds() != round) parts_.keeper.EnterLate(entered);
  CheckRecords(live, messages);
  messages.Send();
  parts_.metrics.announced.Add(static_cast<double>(live.size()));
  if (!ready.empty()) parts_.deliveries.OnReady(ready);
}

// False when the directory cannot be asked: the sessions are taken as standing, and the keeper has to enter them later.
bool SessionChanges::EnterAgain(const std::vector<Live>& batch, std::vector<bool>* stands) {
  std::vector<Announcement> entries;
  for (const Live& live : batch)
    entries.push_back({live.session.device_id(), ToSession(live.session, *live.edge).ToEntry()});
  auto entered = parts_.directory.Announce(entries);
  if (!entered.ok() && SessionDirectory::IsLost(entered.status()) && parts_.keeper.Recover().ok()) {
    entered = parts_.directory.Announce(entries);
  }
  if (entered.ok()) *stands = *std::move(entered);
  return entered.ok();
}

// Devices may have been disabled, deleted or given other keys, and desired properties changed, while their edge was
// away.
void SessionChanges::CheckRecords(const std::vector<Live>& batch, EdgeMessages& messages) {
  std::vector<std::string> device_ids;
  for (const Live& live : batch) device_ids.push_back(live.session.device_id());
  const auto records = parts_.twin.FindRecords(device_ids, TwinClient::Freshness::kFresh);
  if (!records.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "announced devices not checked yet",
                        {{"error", records.status()}});
    for (const std::string& device_id : device_ids) {
      if (!parts_.checks.Submit(device_id)) parts_.metrics.refused.With({"check"}).Add();
    }
    return;
  }
  for (const Live& live : batch) {
    const pb::DeviceRecord* record = records->at(live.session.device_id()).record.get();
    if (parts_.checks.Revoke(record, ToSession(live.session, *live.edge), live.edge, messages)) continue;
    if ((live.session.subscriptions() & pb::SUBSCRIPTION_BIT_DESIRED) != 0) {
      pb::SubscriptionSaved* saved = messages.To(live.edge).add_subscriptions_saved();
      saved->set_session(live.session.session());
      saved->set_subscriptions(live.session.subscriptions());
      saved->set_desired_version(record->desired_version());
    }
  }
}

void SessionChanges::HandleSubscriptions(std::vector<Subscription> batch) {
  EdgeMessages messages;
  // First where notifications are filtered: what changes from here on is sent, and the edge compares versions (T6).
  Register(batch, messages);
  pb::SaveSubscriptionsRequest request;
  std::vector<std::string> unsaved;
  for (const Subscription& subscription : batch) {
    if (!subscription.change.durable()) {
      unsaved.push_back(subscription.change.device_id());
      continue;
    }
    pb::StoredSubscriptions* change = request.add_changes();
    change->set_device_id(subscription.change.device_id());
    change->set_subscriptions(subscription.change.subscriptions());
    change->set_session_epoch(subscription.change.epoch());
    change->set_session_expiry_seconds(subscription.change.session_expiry_seconds());
  }
  absl::StatusOr<pb::SaveSubscriptionsResponse> saved = pb::SaveSubscriptionsResponse();
  if (request.changes_size() > 0) saved = parts_.twin.SaveSubscriptions(request);
  absl::StatusOr<TwinClient::Records> records = TwinClient::Records();
  if (!unsaved.empty()) records = parts_.twin.FindRecords(unsaved, TwinClient::Freshness::kFresh);
  int position = 0;
  for (const Subscription& subscription : batch) {
    pb::SubscriptionSaved* answer = messages.To(subscription.edge).add_subscriptions_saved();
    answer->set_session(subscription.change.session());
    answer->set_subscriptions(subscription.change.subscriptions());
    if (subscription.change.durable()) {
      answer->set_failed(!saved.ok());
      if (saved.ok() && position < saved->desired_versions_size()) {
        answer->set_desired_version(saved->desired_versions(position));
      }
      ++position;
    } else if (records.ok()) {
      const auto& record = records->at(subscription.change.device_id()).record;
      answer->set_desired_version(record == nullptr ? 0 : record->desired_version());
    }
  }
  if (!saved.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "subscriptions not stored", {{"error", saved.status()}});
  }
  messages.Send();
  std::vector<std::string> ready;
  for (const Subscription& subscription : batch) {
    const bool listens = (subscription.change.subscriptions() & pb::SUBSCRIPTION_BIT_METHODS) != 0;
    if (listens) ready.push_back(subscription.change.device_id());
  }
  if (!ready.empty()) parts_.deliveries.OnReady(ready);
}

void SessionChanges::Register(const std::vector<Subscription>& batch, EdgeMessages& messages) {
  std::vector<SessionDirectory::SubscriptionUpdate> updates;
  for (const Subscription& subscription : batch) {
    const pb::SubscriptionChange& change = subscription.change;
    const Stored stored = change.durable() ? StoredFor(change.session_expiry_seconds()) : Stored::kNo;
    updates.push_back({change.device_id(), change.epoch(), stored, change.subscriptions()});
  }
  const auto stands = parts_.keeper.Subscribe(updates);
  if (!stands.ok()) {
    // The table has them; the keeper enters the table when Redis is back with nothing in it.
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "subscriptions not in the directory",
                        {{"error", stands.status()}});
    return;
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!(*stands)[i]) TellToGo(batch[i].edge, batch[i].change.session(), batch[i].change.epoch(), messages);
  }
}

// With the epochs that an edge could not know, because the result of the connect was lost with a stream.
std::vector<SessionDirectory::Ending> SessionChanges::EndingsOf(const std::vector<Closed>& batch) {
  std::vector<SessionDirectory::Ending> endings;
  std::vector<std::string> asked;
  std::vector<const Closed*> nameless;
  for (const Closed& closed : batch) {
    if (closed.session.epoch() != 0) {
      endings.push_back({closed.session.device_id(), closed.session.epoch()});
      continue;
    }
    asked.push_back(closed.session.device_id());
    nameless.push_back(&closed);
  }
  if (asked.empty()) return endings;
  const auto entries = parts_.directory.Find(asked);
  for (size_t i = 0; i < asked.size(); ++i) {
    const auto concerns = [&](const SessionEntry& entry) {
      return entry.edge == *nameless[i]->edge->name && entry.session == nameless[i]->session.session();
    };
    const auto here = parts_.sessions.Find(asked[i]);
    if (here.has_value() && concerns(here->ToEntry())) {
      endings.push_back({asked[i], here->epoch});
    } else if (entries.ok() && (*entries)[i].has_value() && concerns(*(*entries)[i])) {
      endings.push_back({asked[i], (*entries)[i]->epoch});
    }
  }
  return endings;
}

// Devices that said at the end for how long what they have stored is to be kept. Only the replica that knows their
// sessions knows what that is.
void SessionChanges::StoreExpiries(const std::vector<Closed>& batch) {
  pb::SaveSubscriptionsRequest request;
  for (const Closed& closed : batch) {
    if (!closed.session.has_session_expiry_seconds()) continue;
    const auto known = parts_.sessions.Find(closed.session.device_id());
    if (!known.has_value() || known->epoch != closed.session.epoch()) continue;
    const bool is_kept = closed.session.session_expiry_seconds() > 0;
    if (is_kept && known->subscriptions == 0) continue;  // Nothing is stored for a device that never subscribed.
    pb::StoredSubscriptions* change = request.add_changes();
    change->set_device_id(closed.session.device_id());
    change->set_delete_(!is_kept);
    change->set_subscriptions(known->subscriptions);
    change->set_session_expiry_seconds(closed.session.session_expiry_seconds());
    change->set_session_epoch(closed.session.epoch());
  }
  if (request.changes_size() == 0) return;
  const absl::Status saved = parts_.twin.SaveSubscriptions(request).status();
  if (!saved.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "sessions are kept for longer than asked at their end",
                        {{"error", saved}});
  }
}

void SessionChanges::HandleClosed(std::vector<Closed> batch) {
  StoreExpiries(batch);
  std::vector<SessionDirectory::Ending> endings = EndingsOf(batch);
  for (const SessionDirectory::Ending& ending : endings) {
    parts_.sessions.Remove(ending.device_id, ending.epoch);
    parts_.presence.Disconnected(ending.device_id, ending.epoch);
  }
  parts_.keeper.Close(std::move(endings));
}

void SessionChanges::HandleForgotten(std::vector<std::string> batch) {
  const absl::Status forgotten = parts_.directory.ForgetStored(batch);
  if (!forgotten.ok()) FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "not forgotten", {{"error", forgotten}});
}

}  // namespace fleetcast::device_connection
