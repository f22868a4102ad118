#include "services/device_connection/session_opener.h"

#include <algorithm>
#include <utility>

#include "libs/base/random.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/trace.h"
#include "services/device_connection/session_expiry.h"

namespace fleetcast::device_connection {

namespace pb = ::fleetcast::internal::v1;

namespace {

using Result = pb::OpenSessionResult;

bool IsAccepted(const Admission& admission) { return admission.code == Result::CODE_ACCEPTED; }

void TellToGo(const SessionEntry& entry, const std::shared_ptr<const Edge>& edge, EdgeMessages& messages,
              pb::DisconnectSession::Reason reason = pb::DisconnectSession::REASON_TAKEN_OVER) {
  pb::DisconnectSession* disconnect = messages.To(edge).add_disconnects();
  disconnect->set_session(entry.session);
  disconnect->set_epoch(entry.epoch);
  disconnect->set_reason(reason);
}

// Uniform in [0, 1).
double RandomShare() { return static_cast<double>(SystemRandom().Below(1000)) / 1000; }

Admission Unavailable(const char* why) { return {.code = Result::CODE_UNAVAILABLE, .why = why}; }

}  // namespace

SessionOpener::SessionOpener(const Parts& parts)
    : parts_(parts),
      limits_(parts.limits),
      refused_({}),
      waiting_(kWaitingMax),
      worker_({.threads = kThreads, .queue_max = kQueueMax, .batch_max = kBatchMax},
              [this](Attempts batch) { Handle(std::move(batch)); }),
      waiter_([this](std::stop_token stop) { EnqueueThoseWhoWaited(stop); }) {}

void SessionOpener::Submit(std::shared_ptr<const Edge> edge, pb::OpenSession open) {
  const absl::Duration now = parts_.clock.Monotonic();
  const bool is_renewal = open.renewed_epoch() != 0;
  const absl::Duration hold = is_renewal ? absl::ZeroDuration() : limits_.HoldFor(open.device_id(), now, RandomShare());
  Attempt attempt{.edge = std::move(edge), .open = std::move(open), .admission = {}, .record = nullptr, .opened = {}};
  if (hold > absl::ZeroDuration() && waiting_.TryAdd(now + hold, attempt)) return parts_.metrics.held.Add();
  Enqueue(std::move(attempt));
}

void SessionOpener::EnqueueThoseWhoWaited(std::stop_token stop) {
  while (parts_.clock.Sleep(kLook, stop)) {
    for (Attempt& attempt : waiting_.TakeDue(parts_.clock.Monotonic())) Enqueue(std::move(attempt));
  }
}

void SessionOpener::Enqueue(Attempt attempt) {
  const uint64_t session = attempt.open.session();
  const std::shared_ptr<const Edge> edge = attempt.edge;
  if (worker_.TrySubmit(std::move(attempt))) return;
  parts_.metrics.refused.With({"open"}).Add();
  pb::AttachResponse response;
  Result* result = response.add_open_results();
  result->set_session(session);
  result->set_code(Result::CODE_UNAVAILABLE);
  edge->Send(std::move(response));
}

void SessionOpener::Handle(Attempts attempts) {
  const telemetry::Span span("open sessions", {.root = true});
  const absl::Duration before = parts_.clock.Monotonic();
  const RecordCache::Ticket ticket = parts_.records.Begin();
  Identify(attempts);
  AnswerRenewals(attempts);
  Enter(attempts);
  RestoreSubscriptions(attempts);
  UpdateStored(attempts);
  Finish(attempts, ticket);
  parts_.metrics.open_batch.Observe(static_cast<double>(attempts.size()));
  parts_.metrics.open_seconds.Observe(absl::ToDoubleSeconds(parts_.clock.Monotonic() - before));
}

void SessionOpener::Identify(Attempts& attempts) {
  std::vector<size_t> candidates;
  for (size_t i = 0; i < attempts.size(); ++i) {
    attempts[i].admission = CheckRequest(attempts[i].open, parts_.rules);
    if (IsAccepted(attempts[i].admission) && !IsRefusedAgain(attempts[i])) candidates.push_back(i);
  }
  if (!Judge(attempts, candidates, TwinClient::Freshness::kCached)) return;
  // A cached record may be older than the device's new key: nobody is refused on its word alone.
  std::vector<size_t> doubtful;
  for (const size_t i : candidates) {
    if (!IsAccepted(attempts[i].admission) && !attempts[i].is_fresh) doubtful.push_back(i);
  }
  Judge(attempts, doubtful, TwinClient::Freshness::kFresh);
}

// Whether the same words were refused a moment ago, and nothing has changed since.
bool SessionOpener::IsRefusedAgain(Attempt& attempt) {
  const auto refusal = refused_.Find(attempt.open, parts_.clock.Monotonic());
  if (!refusal.has_value() || parts_.records.ChangedSince(refusal->ticket, attempt.open.device_id())) return false;
  attempt.admission = {.code = refusal->code, .why = refusal->why};
  parts_.metrics.refused_again.Add();
  return true;
}

// False when the records could not be had: the attempts are UNAVAILABLE then.
bool SessionOpener::Judge(Attempts& attempts, const std::vector<size_t>& indexes, TwinClient::Freshness freshness) {
  if (indexes.empty()) return true;
  std::vector<std::string> device_ids;
  for (const size_t i : indexes) device_ids.push_back(attempts[i].open.device_id());
  const auto records = parts_.twin.FindRecords(device_ids, freshness);
  if (!records.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "device records not available", {{"error", records.status()}});
    for (const size_t i : indexes) attempts[i].admission = Unavailable("records");
    return false;
  }
  for (const size_t i : indexes) {
    Attempt& attempt = attempts[i];
    const FoundRecord& found = records->at(attempt.open.device_id());
    attempt.record = found.record;
    attempt.is_fresh = found.is_fresh;
    attempt.admission = CheckDevice(attempt.open, found.record.get(), parts_.rules, parts_.clock.Now());
  }
  return true;
}

// Whose token was only to be checked is done: its session stands as it is, by the key that signed the new token.
void SessionOpener::AnswerRenewals(Attempts& attempts) {
  const auto opens = [](const Attempt& attempt) { return attempt.open.renewed_epoch() == 0; };
  const auto renewals = std::stable_partition(attempts.begin(), attempts.end(), opens);
  EdgeMessages messages;
  for (auto renewal = renewals; renewal != attempts.end(); ++renewal) {
    const Admission& admission = renewal->admission;
    parts_.metrics.opens.With({IsAccepted(admission) ? "renewed" : admission.why}).Add();
    Result* result = messages.To(renewal->edge).add_open_results();
    result->set_session(renewal->open.session());
    result->set_code(admission.code);
    result->set_epoch(renewal->open.renewed_epoch());
    result->set_token_expiry_unix_seconds(admission.token_expiry_unix_seconds);
    if (!IsAccepted(admission)) continue;
    result->set_credential(admission.credential);
    parts_.sessions.SetCredential(renewal->open.device_id(), renewal->open.renewed_epoch(), admission.credential);
  }
  messages.Send();
  attempts.erase(renewals, attempts.end());
}

void SessionOpener::Enter(Attempts& attempts) {
  std::vector<NewSession> sessions;
  std::vector<Attempt*> entering;
  const absl::Time wall = parts_.clock.Now();
  const int64_t now = absl::ToUnixMicros(wall);
  for (Attempt& attempt : attempts) {
    if (!IsAccepted(attempt.admission)) continue;
    NewSession session{.device_id = attempt.open.device_id(),
                       .edge = *attempt.edge->name,
                       .session = attempt.open.session(),
                       .connect_unix_micros = now,
                       .clean = attempt.open.clean_session()};
    attempt.is_read = attempt.is_fresh && !MayBeOver(*attempt.record, wall);
    if (attempt.is_read) session.stored_subscriptions = attempt.record->subscriptions();
    sessions.push_back(std::move(session));
    entering.push_back(&attempt);
  }
  if (sessions.empty()) return;
  const int64_t round = parts_.keeper.rounds();
  auto opened = parts_.directory.Open(sessions);
  if (!opened.ok() && SessionDirectory::IsLost(opened.status()) && parts_.keeper.Recover().ok()) {
    opened = parts_.directory.Open(sessions);
  }
  if (!opened.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "sessions cannot be entered", {{"error", opened.status()}});
    for (Attempt* attempt : entering) attempt->admission = Unavailable("directory");
    parts_.keeper.Undo(sessions);
    return;
  }
  for (size_t i = 0; i < entering.size(); ++i) {
    Attempt& attempt = *entering[i];
    attempt.round = round;
    attempt.opened = std::move((*opened)[i]);
    const auto& previous = attempt.opened.previous;
    const bool directory_has = previous.has_value() && previous->stored == Stored::kYes;
    const bool record_has = attempt.is_read && attempt.record->has_session();
    if (record_has) attempt.stored_expiry_seconds = attempt.record->session_expiry_seconds();
    attempt.session_present = !attempt.open.clean_session() && (directory_has || record_has);
  }
}

// Brings what is stored in line with what the connection says of it, before the device hears that it is connected.
// CleanSession=1 ends it (MQTT-3.1.2-6), and so does its time. A session that ends with this connection is not stored
// any more either: what it holds stands in the directory. One that goes on is kept for as long as was asked for now.
void SessionOpener::UpdateStored(Attempts& attempts) {
  pb::SaveSubscriptionsRequest request;
  std::vector<SessionDirectory::SubscriptionUpdate> updates;
  std::vector<Attempt*> concerned;
  for (Attempt& attempt : attempts) {
    if (!IsAccepted(attempt.admission)) continue;
    const bool is_clean = attempt.open.clean_session();
    const bool ends = attempt.open.ends_with_connection();
    SessionEntry& entry = attempt.opened.entry;
    const auto& previous = attempt.opened.previous;
    const bool is_surely_empty = (attempt.is_fresh && !attempt.record->has_session()) ||
                                 (previous.has_value() && previous->stored == Stored::kNo);
    const uint32_t expiry = attempt.open.session_expiry_seconds();
    Stored stored = entry.stored;
    if (!is_clean && ends) stored = Stored::kNo;
    if (!is_clean && !ends) stored = StoredFor(expiry);
    const bool deletes = ((is_clean || ends) && !is_surely_empty) || attempt.is_over;
    const bool changes = !deletes && attempt.session_present && !ends && attempt.stored_expiry_seconds != expiry;
    if (stored == entry.stored && !deletes && !changes) continue;
    concerned.push_back(&attempt);
    if (stored != entry.stored) {
      entry.stored = stored;
      updates.push_back({attempt.open.device_id(), entry.epoch, entry.stored, entry.subscriptions});
    }
    if (!deletes && !changes) continue;
    pb::StoredSubscriptions* change = request.add_changes();
    change->set_device_id(attempt.open.device_id());
    change->set_delete_(deletes);
    change->set_subscriptions(entry.subscriptions);
    change->set_session_expiry_seconds(expiry);
    change->set_session_epoch(entry.epoch);
  }
  bool is_done = request.changes_size() == 0 || parts_.twin.SaveSubscriptions(request).ok();
  if (is_done && !updates.empty()) is_done = parts_.directory.SetSubscriptions(updates).ok();
  if (is_done) return;
  for (Attempt* attempt : concerned) attempt->admission = Unavailable("session_store");
}

// Where neither a fresh record nor the directory knew what is stored, the registry is asked now (D-SES-3). Also for a
// session that is kept for some time: what is stored may have to be written again with another time.
void SessionOpener::RestoreSubscriptions(Attempts& attempts) {
  std::vector<std::string> device_ids;
  std::vector<Attempt*> restoring;
  for (Attempt& attempt : attempts) {
    if (!IsAccepted(attempt.admission) || attempt.open.clean_session() || attempt.is_read) continue;
    const bool is_known = attempt.opened.entry.stored != Stored::kUnknown;
    if (is_known && attempt.open.session_expiry_seconds() == 0) continue;
    device_ids.push_back(attempt.open.device_id());
    restoring.push_back(&attempt);
  }
  if (restoring.empty()) return;
  const auto records = parts_.twin.FindRecords(device_ids, TwinClient::Freshness::kFresh);
  std::vector<SessionDirectory::SubscriptionUpdate> updates;
  for (Attempt* attempt : restoring) {
    const pb::DeviceRecord* record = records.ok() ? records->at(attempt->open.device_id()).record.get() : nullptr;
    if (record == nullptr) {
      attempt->admission = Unavailable("session_store");
      continue;
    }
    const auto& previous = attempt->opened.previous;
    attempt->is_over = IsOver(*record, previous.has_value() ? previous->epoch : 0, parts_.clock.Now());
    attempt->session_present = record->has_session() && !attempt->is_over;
    attempt->stored_expiry_seconds = record->session_expiry_seconds();
    SessionEntry& entry = attempt->opened.entry;
    entry.stored = StoredFor(attempt->open.session_expiry_seconds());
    entry.subscriptions = attempt->session_present ? record->subscriptions() : 0;
    updates.push_back({attempt->open.device_id(), entry.epoch, entry.stored, entry.subscriptions});
  }
  if (updates.empty()) return;
  // If this fails the entry stays "unknown" and the next connection asks again.
  const auto updated = parts_.directory.SetSubscriptions(updates);
  if (!updated.ok()) FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "directory", {{"error", updated.status()}});
}

void SessionOpener::Finish(Attempts& attempts, RecordCache::Ticket ticket) {
  EdgeMessages messages;
  std::vector<std::string> ready;
  std::vector<SessionDirectory::Ending> failed;
  for (const Attempt& attempt : attempts) {
    parts_.metrics.opens.With({attempt.admission.why}).Add();
    const SessionEntry& entry = attempt.opened.entry;
    if (IsAccepted(attempt.admission)) {
      Accept(attempt, ticket, messages);
      if ((entry.subscriptions & pb::SUBSCRIPTION_BIT_METHODS) != 0) ready.push_back(attempt.open.device_id());
    } else {
      Refuse(attempt, ticket, messages);
      if (entry.epoch != 0) failed.push_back({attempt.open.device_id(), entry.epoch});
    }
    // Also after a late refusal: the older connection has been fenced by then, so it must go.
    TakeOver(attempt, messages);
  }
  // Before the results: a device that subscribes at once would have its old set standing again for a moment.
  EnterLate(attempts);
  messages.Send();
  // After the results: a call that this wakes must not overtake them on the edge's stream.
  if (!ready.empty()) parts_.deliveries.OnReady(ready);
  // An edge that has lost the stream has refused the device: nobody will ever say that this session ended.
  for (const Attempt& attempt : attempts) {
    if (!IsAccepted(attempt.admission) || parts_.edges.Find(*attempt.edge->name) == attempt.edge) continue;
    failed.push_back({attempt.open.device_id(), attempt.opened.entry.epoch});
    parts_.sessions.Remove(failed.back().device_id, failed.back().epoch);
    parts_.presence.Disconnected(failed.back().device_id, failed.back().epoch);
  }
  parts_.keeper.Close(std::move(failed));
}

// Whoever announced the table between Enter and now did not find these.
void SessionOpener::EnterLate(const Attempts& attempts) {
  std::vector<Session> late;
  for (const Attempt& attempt : attempts) {
    if (IsAccepted(attempt.admission) && attempt.round != parts_.keeper.rounds()) late.push_back(ToSession(attempt));
  }
  parts_.keeper.EnterLate(late);
}

Session SessionOpener::ToSession(const Attempt& attempt) {
  const SessionEntry& entry = attempt.opened.entry;
  return {.device_id = attempt.open.device_id(),
          .epoch = entry.epoch,
          .session = entry.session,
          .stored = entry.stored,
          .subscriptions = entry.subscriptions,
          .connect_unix_micros = entry.connect_unix_micros,
          .credential = attempt.admission.credential,
          .edge = attempt.edge->name};
}

void SessionOpener::Accept(const Attempt& attempt, RecordCache::Ticket ticket, EdgeMessages& messages) {
  const SessionEntry& entry = attempt.opened.entry;
  limits_.OnConnected(attempt.open.device_id(), parts_.clock.Monotonic());
  pb::AttachResponse& message = messages.To(attempt.edge);
  Result* result = message.add_open_results();
  result->set_session(attempt.open.session());
  result->set_code(attempt.admission.code);
  result->set_epoch(entry.epoch);
  result->set_subscriptions(entry.subscriptions);
  result->set_session_present(attempt.session_present);
  result->set_token_expiry_unix_seconds(attempt.admission.token_expiry_unix_seconds);
  result->set_credential(attempt.admission.credential);
  const Session session = ToSession(attempt);
  parts_.presence.Connected(session);
  // A directory that lost its memory does not know the older connection; this process may.
  const auto known = parts_.sessions.Find(session.device_id);
  const auto older = known.has_value() && known->epoch < entry.epoch ? parts_.edges.Find(*known->edge) : nullptr;
  if (older != nullptr) TellToGo(known->ToEntry(), older, messages);
  // A newer one that came about meanwhile, of a later memory, did not find this one to tell it to go.
  if (!parts_.sessions.Insert(session)) TellToGo(entry, attempt.edge, messages);
  // A change of the device that came while it connected found no session to judge. Mostly it is the news of the device
  // having been created just now, which is no reason to send it away.
  if (parts_.records.ChangedSince(ticket, session.device_id) && !parts_.checks.Submit(session.device_id)) {
    TellToGo(entry, attempt.edge, messages, pb::DisconnectSession::REASON_ADMINISTRATIVE);
  }
}

void SessionOpener::Refuse(const Attempt& attempt, RecordCache::Ticket ticket, EdgeMessages& messages) {
  Result* result = messages.To(attempt.edge).add_open_results();
  result->set_session(attempt.open.session());
  result->set_code(attempt.admission.code);
  result->set_hold_milliseconds(static_cast<int32_t>(absl::ToInt64Milliseconds(HoldRefusal(attempt, ticket))));
}

// How long the edge keeps a refusal to itself (D-CA-2). Who is refused so often is not looked up for the same words
// again for a while.
absl::Duration SessionOpener::HoldRefusal(const Attempt& attempt, RecordCache::Ticket ticket) {
  if (attempt.admission.code == Result::CODE_UNAVAILABLE) return absl::ZeroDuration();
  const absl::Duration now = parts_.clock.Monotonic();
  const absl::Duration hold = limits_.OnRefused(attempt.open.device_id(), now, RandomShare());
  if (hold == absl::ZeroDuration()) return hold;
  parts_.metrics.refusals_held.Add();
  if (attempt.is_fresh) refused_.Add(attempt.open, {attempt.admission.code, attempt.admission.why, ticket}, now);
  return hold;
}

void SessionOpener::TakeOver(const Attempt& attempt, EdgeMessages& messages) {
  const auto& previous = attempt.opened.previous;
  if (!previous.has_value() || !previous->is_connected()) return;
  parts_.metrics.takeovers.Add();
  const auto edge = parts_.edges.Find(previous->edge);
  // When it is gone, or attached elsewhere only, its epoch is fenced at every write; but who is there must not stay.
  if (edge == nullptr) return parts_.keeper.CouldNotTell(previous->edge);
  TellToGo(*previous, edge, messages);
}

}  // namespace fleetcast::device_connection
