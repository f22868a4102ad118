#include "services/device_connection/testing/hub_fixture.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/auth/sas_token.h"
#include "libs/rpc/channel.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::device_connection::testing {

using fleetcast::testing::WaitFor;

void FakeTwin::AddDevice(const std::string& device_id, const auth::Key& key) {
  MutexLock lock(mutex_);
  pb::DeviceRecord& record = records_[device_id];
  record.set_device_id(device_id);
  record.set_authentication_type(pb::DeviceRecord::AUTHENTICATION_TYPE_SAS);
  record.set_primary_key(key.ToBase64());
  record.set_desired_version(1);
}

void FakeTwin::SetDisabled(const std::string& device_id, bool disabled) {
  MutexLock lock(mutex_);
  records_[device_id].set_disabled(disabled);
}

void FakeTwin::RemoveDevice(const std::string& device_id) {
  MutexLock lock(mutex_);
  records_.erase(device_id);
}

void FakeTwin::Change(const std::string& device_id, const std::function<void(pb::DeviceRecord&)>& change) {
  MutexLock lock(mutex_);
  change(records_[device_id]);
}

void FakeTwin::SetAway(bool away) {
  MutexLock lock(mutex_);
  away_ = away;
}

void FakeTwin::DuringNextLookup(std::function<void()> action) {
  MutexLock lock(mutex_);
  during_lookup_ = std::move(action);
}

void FakeTwin::HoldSaves(bool hold) {
  {
    MutexLock lock(mutex_);
    holds_saves_ = hold;
  }
  saves_released_.notify_all();
}

std::optional<pb::DeviceRecord> FakeTwin::Record(const std::string& device_id) {
  MutexLock lock(mutex_);
  const auto found = records_.find(device_id);
  return found == records_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<pb::PresenceChange> FakeTwin::Presence(const std::string& device_id) {
  MutexLock lock(mutex_);
  const auto found = presence_.find(device_id);
  return found == presence_.end() ? std::nullopt : std::optional(found->second);
}

int FakeTwin::lookups() {
  MutexLock lock(mutex_);
  return lookups_;
}

int64_t FakeTwin::generation() {
  MutexLock lock(mutex_);
  return generation_;
}

grpc::Status FakeTwin::Enter() {
  return away_ ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "away") : grpc::Status::OK;
}

grpc::Status FakeTwin::LookupDevices(grpc::ServerContext*, const pb::LookupDevicesRequest* request,
                                     pb::LookupDevicesResponse* response) {
  std::function<void()> action;
  grpc::Status status;
  {
    MutexLock lock(mutex_);
    ++lookups_;
    for (const std::string& device_id : request->device_ids()) {
      const auto found = records_.find(device_id);
      if (found != records_.end()) *response->add_devices() = found->second;
    }
    status = Enter();
    action = std::exchange(during_lookup_, nullptr);
  }
  if (action) action();
  return status;
}

grpc::Status FakeTwin::SaveSubscriptions(grpc::ServerContext*, const pb::SaveSubscriptionsRequest* request,
                                         pb::SaveSubscriptionsResponse* response) {
  std::unique_lock<Mutex> lock(mutex_);
  saves_released_.wait_for(lock, std::chrono::seconds(10), [&] { return !holds_saves_; });
  if (away_) return Enter();
  for (const pb::StoredSubscriptions& change : request->changes()) {
    const auto found = records_.find(change.device_id());
    response->add_desired_versions(found == records_.end() ? 0 : found->second.desired_version());
    if (found == records_.end()) continue;
    found->second.set_subscriptions(change.delete_() ? 0 : change.subscriptions());
    found->second.set_has_session(!change.delete_());
    found->second.set_session_expiry_seconds(change.session_expiry_seconds());
  }
  return grpc::Status::OK;
}

std::string FakeTwin::read_traceparent() {
  MutexLock lock(mutex_);
  return read_traceparent_;
}

grpc::Status FakeTwin::ReadDeviceTwins(grpc::ServerContext* context, const pb::ReadDeviceTwinsRequest* request,
                                       pb::ReadDeviceTwinsResponse* response) {
  MutexLock lock(mutex_);
  const auto trace = context->client_metadata().find("traceparent");
  if (trace != context->client_metadata().end()) read_traceparent_.assign(trace->second.data(), trace->second.size());
  for (const std::string& device_id : request->device_ids()) {
    pb::DeviceTwin* twin = response->add_twins();
    twin->set_device_id(device_id);
    twin->set_found(records_.contains(device_id));
    twin->set_document("{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}");
    twin->set_desired_version(1);
  }
  return Enter();
}

grpc::Status FakeTwin::PatchReported(grpc::ServerContext*, const pb::PatchReportedRequest* request,
                                     pb::PatchReportedResponse* response) {
  MutexLock lock(mutex_);
  for (const pb::ReportedChange& change : request->changes()) {
    pb::ReportedChangeResult* result = response->add_results();
    result->set_status(change.patch() == "{}" ? 204 : 400);
    result->set_version(2);
    result->set_message("not an object");
  }
  return Enter();
}

grpc::Status FakeTwin::RecordPresence(grpc::ServerContext*, const pb::RecordPresenceRequest* request,
                                      pb::RecordPresenceResponse*) {
  MutexLock lock(mutex_);
  if (away_) return Enter();
  for (const pb::PresenceChange& change : request->changes()) presence_[change.device_id()] = change;
  return grpc::Status::OK;
}

grpc::Status FakeTwin::RaiseSessionGeneration(grpc::ServerContext*, const pb::RaiseSessionGenerationRequest* request,
                                              pb::RaiseSessionGenerationResponse* response) {
  MutexLock lock(mutex_);
  generation_ = std::max(generation_, request->seen()) + 1;
  response->set_generation(generation_);
  return Enter();
}

PlayedEdge::PlayedEdge(pb::EdgeLinkService::Stub& stub, const std::string& edge_id, const std::string& boot_id,
                       int64_t call_credit)
    : stream_([&](grpc::ClientContext* context) { return stub.Attach(context); }) {
  pb::AttachRequest request;
  request.mutable_hello()->set_edge_id(edge_id);
  request.mutable_hello()->set_boot_id(boot_id);
  request.mutable_hello()->set_call_credit(call_credit);
  stream_.Write(request);
  const auto hello = stream_.Await<bool>([](const pb::AttachResponse& response) -> std::optional<bool> {
    if (!response.has_hello()) return std::nullopt;
    return true;
  });
  EXPECT_TRUE(hello.has_value());
}

pb::OpenSessionResult PlayedEdge::Open(uint64_t session, const std::string& device_id, const std::string& password,
                                       bool clean) {
  pb::OpenSession open;
  open.set_session(session);
  open.set_password(password);
  open.set_clean_session(clean);
  return Open(std::move(open), device_id);
}

pb::OpenSessionResult PlayedEdge::Open(pb::OpenSession open, const std::string& device_id) {
  const uint64_t session = open.session();
  open.set_client_id(device_id);
  open.set_device_id(device_id);
  open.set_host("hub.test.local");
  pb::AttachRequest request;
  *request.add_open_sessions() = std::move(open);
  stream_.Write(request);
  const auto found = stream_.Await<pb::OpenSessionResult>(
      [&](const pb::AttachResponse& response) -> std::optional<pb::OpenSessionResult> {
        for (const pb::OpenSessionResult& result : response.open_results()) {
          if (result.session() == session) return result;
        }
        return std::nullopt;
      });
  EXPECT_TRUE(found.has_value()) << "no answer to session " << session;
  return found.value_or(pb::OpenSessionResult());
}

pb::SubscriptionSaved PlayedEdge::Subscribe(uint64_t session, const std::string& device_id, int64_t epoch,
                                            uint32_t bits) {
  pb::AttachRequest request;
  pb::SubscriptionChange* change = request.add_subscription_changes();
  change->set_session(session);
  change->set_device_id(device_id);
  change->set_epoch(epoch);
  change->set_subscriptions(bits);
  change->set_durable(true);
  stream_.Write(request);
  const auto found = stream_.Await<pb::SubscriptionSaved>(
      [&](const pb::AttachResponse& response) -> std::optional<pb::SubscriptionSaved> {
        for (const pb::SubscriptionSaved& saved : response.subscriptions_saved()) {
          if (saved.session() == session && saved.subscriptions() == bits) return saved;
        }
        return std::nullopt;
      });
  EXPECT_TRUE(found.has_value());
  return found.value_or(pb::SubscriptionSaved());
}

void PlayedEdge::Announce(uint64_t session, const std::string& device_id, int64_t epoch, uint32_t bits,
                          uint64_t credential) {
  pb::AttachRequest request;
  pb::LiveSession* live = request.add_live_sessions();
  live->set_session(session);
  live->set_device_id(device_id);
  live->set_epoch(epoch);
  live->set_subscriptions(bits);
  live->set_credential(credential);
  stream_.Write(request);
}

void PlayedEdge::Close(uint64_t session, const std::string& device_id, int64_t epoch) {
  pb::AttachRequest request;
  pb::SessionClosed* closed = request.add_sessions_closed();
  closed->set_session(session);
  closed->set_device_id(device_id);
  closed->set_epoch(epoch);
  stream_.Write(request);
}

void PlayedEdge::Heartbeat() {
  pb::AttachRequest request;
  request.set_heartbeat(true);
  stream_.Write(request);
}

void PlayedEdge::Tell(const pb::EdgeStatus& status) {
  pb::AttachRequest request;
  request.set_heartbeat(true);
  *request.mutable_status() = status;
  stream_.Write(request);
}

void PlayedEdge::Report(pb::CallReport report) {
  pb::AttachRequest request;
  *request.add_call_reports() = std::move(report);
  stream_.Write(request);
}

std::optional<pb::MethodCall> PlayedEdge::AwaitCall(uint64_t call_id) {
  return stream_.Await<pb::MethodCall>([&](const pb::AttachResponse& response) -> std::optional<pb::MethodCall> {
    for (const pb::MethodCall& call : response.method_calls()) {
      if (call.call_id() == call_id) return call;
    }
    return std::nullopt;
  });
}

bool PlayedEdge::AwaitDisconnect(uint64_t session, int64_t epoch, pb::DisconnectSession::Reason reason,
                                 absl::Duration limit) {
  return stream_
      .Await<bool>(
          [&](const pb::AttachResponse& response) -> std::optional<bool> {
            for (const pb::DisconnectSession& order : response.disconnects()) {
              if (order.session() == session && order.epoch() == epoch && order.reason() == reason) return true;
            }
            return std::nullopt;
          },
          limit)
      .has_value();
}

PlayedDispatcher::PlayedDispatcher(pb::DeliveryService::Stub& stub)
    : stream_([&](grpc::ClientContext* context) { return stub.Deliver(context); }) {}

void PlayedDispatcher::Call(uint64_t call_id, const std::string& device_id) {
  pb::DeliverRequest request;
  request.add_requests()->set_method("lockDoor");
  request.mutable_requests(0)->set_payload("null");
  pb::DeliverCall* call = request.add_calls();
  call->set_call_id(call_id);
  call->set_device_id(device_id);
  const absl::Time now = SystemClock().Now();
  call->set_permit_expire_unix_micros(absl::ToUnixMicros(now + absl::Seconds(20)));
  call->set_answer_deadline_unix_micros(absl::ToUnixMicros(now + absl::Seconds(30)));
  stream_.Write(request);
}

void PlayedDispatcher::Watch(const std::string& device_id) {
  pb::DeliverRequest request;
  request.add_watch_device_ids(device_id);
  stream_.Write(request);
}

std::optional<pb::DeliverEvent> PlayedDispatcher::Await(uint64_t call_id, pb::DeliverEvent::EventCase kind) {
  return stream_.Await<pb::DeliverEvent>([&](const pb::DeliverResponse& response) -> std::optional<pb::DeliverEvent> {
    for (const pb::DeliverEvent& event : response.events()) {
      if (event.call_id() == call_id && event.event_case() == kind) return event;
    }
    return std::nullopt;
  });
}

pb::NotSentReason PlayedDispatcher::AwaitNotSent(uint64_t call_id) {
  const auto event = Await(call_id, pb::DeliverEvent::kNotSent);
  return event.has_value() ? event->not_sent().reason() : pb::NOT_SENT_REASON_UNSPECIFIED;
}

bool PlayedDispatcher::AwaitReady(const std::string& device_id) {
  return stream_
      .Await<bool>([&](const pb::DeliverResponse& response) -> std::optional<bool> {
        const auto& ready = response.ready_device_ids();
        if (std::find(ready.begin(), ready.end(), device_id) == ready.end()) return std::nullopt;
        return true;
      })
      .has_value();
}

HubFixture::HubFixture()
    : redis_client_(*redis::Client::Create({.address = redis_.address()}, SystemClock())),
      twin_server_(*rpc::Server::Start({.listen = "127.0.0.1:0"},
                                       {{pb::DeviceRecordService::service_full_name(), &twin_}}, metrics_)) {
  config_.redis = redis_.address();
  config_.twin_addresses = {absl::StrCat("127.0.0.1:", twin_server_->port())};
  config_.policies = auth::PolicySet::GenerateDefault().ToJson();
  config_.host_names = {kHost};
  for (const char* device_id : {"dev-1", "dev-2"}) twin_.AddDevice(device_id, key_);
  StartHub();
}

HubFixture::~HubFixture() { StopHub(); }

void HubFixture::StartHub() {
  hub_ = *Hub::Create(config_, SystemClock(), metrics_);
  server_ = *rpc::Server::Start({.listen = "127.0.0.1:0"},
                                {{pb::EdgeLinkService::service_full_name(), &hub_->edge_link_service()},
                                 {pb::DeliveryService::service_full_name(), &hub_->delivery_service()},
                                 {pb::DeviceFeedService::service_full_name(), &hub_->device_feed_service()},
                                 {sessions::v1::SessionService::service_full_name(), &hub_->session_service()},
                                 {sessions::v1::EdgeService::service_full_name(), &hub_->edge_service()}},
                                metrics_);
  const auto channel = *rpc::MakeChannel(absl::StrCat("127.0.0.1:", server_->port()));
  edges_ = pb::EdgeLinkService::NewStub(channel);
  deliveries_ = pb::DeliveryService::NewStub(channel);
  feed_ = pb::DeviceFeedService::NewStub(channel);
  sessions_ = sessions::v1::SessionService::NewStub(channel);
  operator_ = sessions::v1::EdgeService::NewStub(channel);
}

void HubFixture::StopHub() {
  server_->Shutdown(absl::ZeroDuration());
  server_.reset();
  hub_.reset();
}

std::unique_ptr<PlayedEdge> HubFixture::NewEdge(const std::string& edge_id, char boot) {
  return std::make_unique<PlayedEdge>(*edges_, edge_id, std::string(32, boot));
}

std::unique_ptr<PlayedDispatcher> HubFixture::NewDispatcher() {
  return std::make_unique<PlayedDispatcher>(*deliveries_);
}

std::string HubFixture::Token(const std::string& device_id) const {
  const std::string path = absl::StrReplaceAll(device_id, {{"/", "/modules/"}});
  return auth::MakeSasToken(absl::StrCat(kHost, "/devices/", path), key_, SystemClock().Now() + absl::Hours(1));
}

pb::OpenSessionResult HubFixture::OpenAccepted(PlayedEdge& edge, uint64_t session, const std::string& device_id) {
  const pb::OpenSessionResult result = edge.Open(session, device_id, Token(device_id));
  EXPECT_EQ(result.code(), pb::OpenSessionResult::CODE_ACCEPTED);
  return result;
}

void HubFixture::FlushRedis() { ASSERT_TRUE(redis_client_->Run({"FLUSHALL"}, absl::Seconds(5)).ok()); }

void HubFixture::PublishRecord(const std::string& device_id, bool disconnect) {
  pb::DeviceChangeEvent change;
  change.set_device_id(device_id);
  change.mutable_record()->set_disconnect(disconnect);
  Publish(change);
}

void HubFixture::Publish(const pb::DeviceChangeEvent& change) {
  PlayedStream<pb::PublishRequest, pb::PublishResponse> stream(
      [&](grpc::ClientContext* context) { return feed_->Publish(context); });
  pb::PublishRequest request;
  request.set_batch(1);
  *request.add_changes() = change;
  stream.Write(request);
  const auto acknowledged = stream.Await<uint64_t>(
      [](const pb::PublishResponse& response) -> std::optional<uint64_t> { return response.acknowledged_batch(); });
  EXPECT_TRUE(acknowledged.has_value());
}

bool HubFixture::AwaitPresence(const std::string& device_id, bool connected) {
  return WaitFor([&] {
    const auto presence = twin_.Presence(device_id);
    return presence.has_value() && presence->connected() == connected;
  });
}

}  // namespace fleetcast::device_connection::testing
