// Between a loop and device_connection: effects of connections become frames, frames become calls of connections.
#include <unistd.h>

#include <utility>

#include "absl/hash/hash.h"
#include "fleetcast/internal/v1/edge_link.pb.h"
#include "libs/base/strings.h"
#include "services/mqtt_edge/loop/event_loop.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr size_t kAbandonedMax = 100'000;
constexpr int kAnnouncedPerFrame = 1'000;

mqtt::ConnectCode ToConnectCode(pb::OpenSessionResult::Code code) {
  switch (code) {
    case pb::OpenSessionResult::CODE_ACCEPTED: return mqtt::ConnectCode::kAccepted;
    case pb::OpenSessionResult::CODE_BAD_IDENTIFIER: return mqtt::ConnectCode::kIdentifierRejected;
    case pb::OpenSessionResult::CODE_BAD_USER_OR_PASSWORD: return mqtt::ConnectCode::kBadCredentials;
    case pb::OpenSessionResult::CODE_NOT_AUTHORIZED: return mqtt::ConnectCode::kNotAuthorized;
    default:  // D-CA-1: whatever is not known to be the device's fault is "try again".
      return mqtt::ConnectCode::kServerUnavailable;
  }
}

void AddCertificate(ClientCertificate certificate, pb::OpenSession& open) {
  if (certificate.sha256.empty()) return;
  open.set_certificate_sha1(std::move(certificate.sha1));
  open.set_certificate_sha256(std::move(certificate.sha256));
  open.set_certificate_common_name(std::move(certificate.common_name));
  open.set_certificate_is_signed(certificate.is_signed);
  open.set_certificate_valid_from_unix_seconds(absl::ToUnixSeconds(certificate.valid_from));
  open.set_certificate_valid_until_unix_seconds(absl::ToUnixSeconds(certificate.valid_until));
}

}  // namespace

// --- Effects of the connection that is being called ---

LinkIndex EventLoop::PickLink(std::string_view device_id) {
  // The same replica for the same device, as long as it is there.
  const size_t first = absl::HashOf(Absl(device_id)) % links_.size();
  for (size_t i = 0; i < links_.size(); ++i) {
    const size_t index = (first + i) % links_.size();
    if (links_[index].is_attached()) return static_cast<LinkIndex>(index);
  }
  return kNoLink;
}

void EventLoop::OpenSession(LinkIndex link, const OpenRequest& request) {
  LinkOutbox& outbox = links_[static_cast<size_t>(link)];
  pb::OpenSession* open = outbox.frame().add_open_sessions();
  open->set_session(current_->session);
  open->set_client_id(request.client_id.data(), request.client_id.size());
  open->set_host(request.host.data(), request.host.size());
  open->set_device_id(request.device_id.data(), request.device_id.size());
  open->set_password(request.password.data(), request.password.size());
  open->set_clean_session(request.clean_session);
  open->set_api_version(request.api_version.data(), request.api_version.size());
  open->set_product_info(request.product_info.data(), request.product_info.size());
  open->set_model_id(request.model_id.data(), request.model_id.size());
  open->set_ends_with_connection(request.ends_with_connection);
  open->set_renewed_epoch(request.renewed_epoch);
  open->set_session_expiry_seconds(request.session_expiry_seconds);
  open->set_peer(FormatPeer(current_->peer));
  AddCertificate(current_->socket.client_certificate(options_.client_authorities, clock_.Monotonic()), *open);
  outbox.Grow(request.password.size() + request.product_info.size() + sizeof(*open));
}

void EventLoop::ChangeSubscriptions(LinkIndex link, Subscriptions subscriptions, bool durable,
                                    uint32_t session_expiry_seconds) {
  LinkOutbox& outbox = links_[static_cast<size_t>(link)];
  pb::SubscriptionChange* change = outbox.frame().add_subscription_changes();
  change->set_session(current_->session);
  change->set_device_id(current_->connection.device_id());
  change->set_epoch(current_->connection.epoch());
  change->set_subscriptions(subscriptions);
  change->set_durable(durable);
  change->set_session_expiry_seconds(session_expiry_seconds);
  outbox.Grow(sizeof(*change));
}

void EventLoop::ReadTwin(LinkIndex link, std::string_view request_id, std::string_view traceparent) {
  LinkOutbox& outbox = links_[static_cast<size_t>(link)];
  pb::TwinRead* read = outbox.frame().add_twin_reads();
  read->set_session(current_->session);
  read->set_device_id(current_->connection.device_id());
  read->set_epoch(current_->connection.epoch());
  read->set_request_id(request_id.data(), request_id.size());
  read->set_traceparent(traceparent.data(), traceparent.size());
  outbox.Grow(sizeof(*read));
}

void EventLoop::PatchReported(LinkIndex link, std::string_view request_id, std::string_view patch, int64_t if_version,
                              std::string_view traceparent) {
  LinkOutbox& outbox = links_[static_cast<size_t>(link)];
  pb::ReportedPatch* reported = outbox.frame().add_reported_patches();
  reported->set_session(current_->session);
  reported->set_device_id(current_->connection.device_id());
  reported->set_epoch(current_->connection.epoch());
  reported->set_request_id(request_id.data(), request_id.size());
  reported->set_patch(patch.data(), patch.size());
  reported->set_if_version(if_version);
  reported->set_traceparent(traceparent.data(), traceparent.size());
  outbox.Grow(patch.size() + sizeof(*reported));
}

void EventLoop::AbandonOpen(LinkIndex link, std::string_view device_id) {
  if (abandoned_.size() < kAbandonedMax) abandoned_[current_->session] = {link, std::string(device_id)};
}

void EventLoop::CloseSession(std::string_view device_id, int64_t epoch,
                             std::optional<uint32_t> session_expiry_seconds) {
  // Every replica: sessions were announced to all of them, and each may be asked where the device is.
  for (LinkOutbox& link : links_) {
    link.AddClosed(current_->session, device_id, epoch, clock_.Monotonic(), session_expiry_seconds);
  }
}

void EventLoop::ReportCall(LinkIndex link, CallReport report) {
  if (report.waits) report.session = current_->session;
  links_[static_cast<size_t>(link)].AddReport(std::move(report), clock_.Monotonic());
}

// --- The inbox ---

bool EventLoop::Post(Message message, bool is_bounded) {
  bool was_empty = false;
  {
    MutexLock lock(inbox_mutex_);
    if (is_bounded && inbox_.size() >= kInboxMax) return false;
    was_empty = inbox_.empty();
    inbox_.push_back(std::move(message));
  }
  if (was_empty) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wakeup_.get(), &one, sizeof(one));
  }
  return true;
}

bool EventLoop::PostFrame(LinkIndex link, std::shared_ptr<const pb::AttachResponse> frame) {
  return Post(FrameArrived{link, std::move(frame)}, true);
}
void EventLoop::PostLinkAttached(LinkIndex link, uint64_t generation) { Post(LinkAttached{link, generation}, false); }
void EventLoop::PostLinkLost(LinkIndex link) { Post(LinkLost{link}, false); }
void EventLoop::PostDrain(const DrainOrder& order) { Post(order, false); }

void EventLoop::HandleInbox() {
  uint64_t count = 0;
  if (read(wakeup_.get(), &count, sizeof(count)) < 0) return;
  {
    MutexLock lock(inbox_mutex_);
    taken_.swap(inbox_);
  }
  for (const Message& message : taken_) {
    std::visit([this](const auto& kind) { Handle(kind); }, message);
  }
  taken_.clear();
}

void EventLoop::Handle(const LinkAttached& message) {
  links_[static_cast<size_t>(message.link)].OnAttached(message.generation);
  Announce(message.link);
  for (size_t slot = 0; slot < clients_.size(); ++slot) {
    if (clients_[slot] == nullptr) continue;
    With(*clients_[slot], [](Connection& connection, Turn& turn) { connection.OnLinkAttached(turn); });
  }
}

void EventLoop::Handle(const LinkLost& message) {
  links_[static_cast<size_t>(message.link)].OnLost();
  GiveUpOpens(message.link);
  for (size_t slot = 0; slot < clients_.size(); ++slot) {
    if (clients_[slot] == nullptr) continue;
    With(*clients_[slot], [&](Connection& connection, Turn& turn) { connection.OnLinkLost(message.link, turn); });
  }
}

// Whether these sessions came about is not known: their results are lost with the link, and the devices are refused.
void EventLoop::GiveUpOpens(LinkIndex link) {
  const auto give_up = [this](SessionId session, std::string_view device_id) {
    for (LinkOutbox& outbox : links_) outbox.AddClosed(session, device_id, 0, clock_.Monotonic());
  };
  for (const auto& client : clients_) {
    if (client == nullptr || client->connection.state() != Connection::State::kAuthenticating) continue;
    if (client->connection.link() == link) give_up(client->session, client->connection.device_id());
  }
  absl::erase_if(abandoned_, [&](const auto& entry) {
    if (entry.second.first != link) return false;
    give_up(entry.first, entry.second.second);
    return true;
  });
}

// A replica that just started, or whose directory lost its entries, learns who is here.
void EventLoop::Announce(LinkIndex link) {
  int announced = 0;
  for (const auto& client : clients_) {
    if (client == nullptr || client->connection.state() != Connection::State::kConnected) continue;
    Announce(*client, link);
    if (++announced % kAnnouncedPerFrame == 0) links_[static_cast<size_t>(link)].Flush();
  }
}

void EventLoop::Announce(const Client& client, LinkIndex link) {
  LinkOutbox& outbox = links_[static_cast<size_t>(link)];
  pb::LiveSession* live = outbox.frame().add_live_sessions();
  live->set_session(client.session);
  live->set_device_id(client.connection.device_id());
  live->set_epoch(client.connection.epoch());
  live->set_subscriptions(client.connection.subscriptions());
  live->set_connect_unix_micros(absl::ToUnixMicros(client.connection.connect_time()));
  live->set_credential(client.connection.credential());
  outbox.Grow(sizeof(*live));
}

void EventLoop::Handle(const FrameArrived& message) {
  const pb::AttachResponse& frame = *message.frame;
  HandleOpenResults(message.link, frame);
  for (const pb::SubscriptionSaved& saved : frame.subscriptions_saved()) {
    Client* client = Find(saved.session());
    if (client == nullptr) continue;
    With(*client, [&](Connection& connection, Turn& turn) {
      connection.OnSubscriptionsSaved(saved.subscriptions(), saved.failed(), saved.desired_version(), turn);
    });
  }
  HandleMethodCalls(message.link, frame);
  for (const pb::TakenAnswer& taken : frame.taken_answers()) {
    Client* client = Find(taken.session());
    if (client == nullptr) continue;
    With(*client, [&](Connection& connection, Turn& turn) { connection.OnAnswerTaken(taken.call_id(), turn); });
  }
  HandleTwinResults(frame);
  for (const pb::DisconnectSession& order : frame.disconnects()) {
    Client* client = Find(order.session());
    if (client == nullptr) continue;
    const bool is_administrative = order.reason() == pb::DisconnectSession::REASON_ADMINISTRATIVE;
    const auto reason =
        is_administrative ? mqtt::ReasonCode::kAdministrativeAction : mqtt::ReasonCode::kSessionTakenOver;
    With(*client,
         [&](Connection& connection, Turn& turn) { connection.OnDisconnectOrder(order.epoch(), turn, reason); });
  }
  HandleSessionChecks(message.link, frame);
  if (frame.announce_sessions()) Announce(message.link);
}

// A number is given to one connection in the life of this process: what is not here now has ended.
void EventLoop::HandleSessionChecks(LinkIndex link, const pb::AttachResponse& frame) {
  for (const pb::SessionCheck& check : frame.session_checks()) {
    if (LoopOf(check.session()) != index_) continue;
    const Client* client = Find(check.session());
    if (client == nullptr) {
      links_[static_cast<size_t>(link)].AddClosed(check.session(), check.device_id(), check.epoch(),
                                                  clock_.Monotonic());
    } else if (check.announce() && client->connection.state() == Connection::State::kConnected) {
      Announce(*client, link);
    }
  }
}

void EventLoop::HandleOpenResults(LinkIndex link, const pb::AttachResponse& frame) {
  for (const pb::OpenSessionResult& result : frame.open_results()) {
    if (LoopOf(result.session()) != index_) continue;
    OpenResult open{.code = ToConnectCode(result.code()),
                    .epoch = result.epoch(),
                    .subscriptions = result.subscriptions(),
                    .session_present = result.session_present(),
                    .token_expiry = std::nullopt,
                    .credential = result.credential()};
    if (result.token_expiry_unix_seconds() > 0)
      open.token_expiry = absl::FromUnixSeconds(result.token_expiry_unix_seconds());
    if (Client* client = Find(result.session())) {
      if (open.code != mqtt::ConnectCode::kAccepted) {
        open.hold = HoldRefusal(*client, open.code, absl::Milliseconds(result.hold_milliseconds()));
      }
      With(*client, [&](Connection& connection, Turn& turn) { connection.OnOpenResult(open, turn); });
      continue;
    }
    const auto abandoned = abandoned_.find(result.session());
    if (abandoned == abandoned_.end()) continue;
    if (open.code == mqtt::ConnectCode::kAccepted) {
      links_[static_cast<size_t>(link)].AddClosed(result.session(), abandoned->second.second, open.epoch,
                                                  clock_.Monotonic());
    }
    abandoned_.erase(abandoned);
  }
}

void EventLoop::HandleMethodCalls(LinkIndex link, const pb::AttachResponse& frame) {
  for (const pb::MethodCall& request : frame.method_calls()) {
    if (LoopOf(request.session()) != index_) continue;
    Client* client = Find(request.session());
    if (client == nullptr) {
      metrics_.methods_not_sent.Add();
      ReportCall(link, {.kind = CallReport::Kind::kNotSent,
                        .reason = CallReport::Reason::kStaleRoute,
                        .call_id = request.call_id()});
      continue;
    }
    const MethodCall call{.call_id = request.call_id(),
                          .epoch = request.epoch(),
                          .method = request.method(),
                          .payload = request.payload(),
                          .permit_expire = absl::FromUnixMicros(request.permit_expire_unix_micros()),
                          .answer_deadline = absl::FromUnixMicros(request.answer_deadline_unix_micros()),
                          .link = link,
                          .traceparent = request.traceparent()};
    With(*client, [&](Connection& connection, Turn& turn) { connection.OnMethodCall(call, turn); });
  }
}

void EventLoop::HandleTwinResults(const pb::AttachResponse& frame) {
  for (const pb::TwinReadResult& result : frame.twin_read_results()) {
    Client* client = Find(result.session());
    if (client == nullptr) continue;
    With(*client, [&](Connection& connection, Turn& turn) {
      connection.OnTwinRead(result.request_id(), result.status(), result.document(), result.desired_version(), turn);
    });
  }
  for (const pb::ReportedPatchResult& result : frame.reported_patch_results()) {
    Client* client = Find(result.session());
    if (client == nullptr) continue;
    With(*client, [&](Connection& connection, Turn& turn) {
      connection.OnReportedPatched(result.request_id(), result.status(), result.version(), result.error(), turn);
    });
  }
  for (const pb::DesiredChange& change : frame.desired_changes()) {
    Client* client = Find(change.session());
    if (client == nullptr) continue;
    With(*client, [&](Connection& connection, Turn& turn) {
      connection.OnDesiredChange(change.epoch(), change.version(), change.patch(), turn);
    });
  }
}

}  // namespace fleetcast::mqtt_edge
