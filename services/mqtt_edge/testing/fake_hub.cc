#include "services/mqtt_edge/testing/fake_hub.h"

#include <utility>

#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/testing/free_port.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr char kDocument[] = R"({"desired":{"interval":5,"$version":7},"reported":{"$version":3}})";
constexpr int64_t kDesiredVersion = 7;

}  // namespace

FakeHub::FakeHub() : port_(fleetcast::testing::FreePort()) { ComeBack(); }

FakeHub::~FakeHub() { GoAway(); }

void FakeHub::ComeBack() {
  auto server = rpc::Server::Start({.listen = "127.0.0.1:" + std::to_string(port_)},
                                   {{pb::EdgeLinkService::service_full_name(), this}}, metrics_);
  FLEETCAST_CHECK(server.ok());
  server_ = *std::move(server);
}

void FakeHub::GoAway() { server_.reset(); }

std::string FakeHub::address() const { return "127.0.0.1:" + std::to_string(port_); }

grpc::ServerBidiReactor<pb::AttachRequest, pb::AttachResponse>* FakeHub::Attach(grpc::CallbackServerContext* context) {
  auto stream = Stream::Create();
  auto* reactor = stream->Start(context, {.on_message = [this](pb::AttachRequest&& request) { Receive(request); },
                                          .on_closed =
                                              [this, raw = stream.get()](const absl::Status&) {
                                                MutexLock lock(mutex_);
                                                if (stream_.get() == raw) stream_.reset();
                                              }});
  MutexLock lock(mutex_);
  stream_ = stream;
  announced_.clear();
  pb::AttachResponse hello;
  hello.mutable_hello()->set_hub_boot_id("fake");
  stream->TrySend(std::move(hello));
  return reactor;
}

void FakeHub::Open(const pb::OpenSession& open, pb::AttachResponse& response) {
  if (open.device_id().starts_with("silent")) return;
  pb::OpenSessionResult* result = response.add_open_results();
  result->set_session(open.session());
  if (open.device_id().starts_with("refused")) {
    result->set_code(pb::OpenSessionResult::CODE_NOT_AUTHORIZED);
    if (open.device_id() == "refused-late") result->set_hold_milliseconds(1'000);
    return;
  }
  if (open.clean_session()) stored_.erase(open.device_id());
  const auto stored = stored_.find(open.device_id());
  result->set_code(pb::OpenSessionResult::CODE_ACCEPTED);
  result->set_epoch(++last_epoch_);
  result->set_session_present(stored != stored_.end());
  result->set_subscriptions(stored == stored_.end() ? 0 : stored->second);
  Session& session = sessions_[open.device_id()];
  if (session.session != 0) {  // Newest wins.
    pb::DisconnectSession* order = response.add_disconnects();
    order->set_session(session.session);
    order->set_epoch(session.epoch);
  }
  session = {open.session(), last_epoch_, result->subscriptions(), open};
}

void FakeHub::Receive(const pb::AttachRequest& request) {
  MutexLock lock(mutex_);
  pb::AttachResponse response;
  for (const auto& open : request.open_sessions()) Open(open, response);
  announced_.insert(announced_.end(), request.live_sessions().begin(), request.live_sessions().end());
  for (const auto& change : request.subscription_changes()) {
    sessions_[change.device_id()].subscriptions = change.subscriptions();
    if (change.durable()) stored_[change.device_id()] = change.subscriptions();
    pb::SubscriptionSaved* saved = response.add_subscriptions_saved();
    saved->set_session(change.session());
    saved->set_subscriptions(change.subscriptions());
    saved->set_desired_version(kDesiredVersion);
  }
  for (const auto& report : request.call_reports()) {
    reports_.push_back(report);
    if (is_acknowledging_) response.set_acknowledged_report_sequence(report.sequence());
  }
  for (const auto& read : request.twin_reads()) {
    pb::TwinReadResult* result = response.add_twin_read_results();
    result->set_session(read.session());
    result->set_request_id(read.request_id());
    result->set_status(200);
    result->set_document(kDocument);
    result->set_desired_version(kDesiredVersion);
  }
  for (const auto& patch : request.reported_patches()) {
    patches_.push_back(patch);
    pb::ReportedPatchResult* result = response.add_reported_patch_results();
    result->set_session(patch.session());
    result->set_request_id(patch.request_id());
    result->set_status(204);
    result->set_version(4);
  }
  closed_.insert(closed_.end(), request.sessions_closed().begin(), request.sessions_closed().end());
  active_epochs_.insert(active_epochs_.end(), request.active_session_epochs().begin(),
                        request.active_session_epochs().end());
  if (request.heartbeat()) ++heartbeats_;
  if (request.has_status()) status_ = request.status();
  if (stream_ != nullptr && response.ByteSizeLong() > 0) stream_->TrySend(std::move(response));
}

void FakeHub::Send(pb::AttachResponse message) {
  MutexLock lock(mutex_);
  if (stream_ != nullptr) stream_->TrySend(std::move(message));
}

void FakeHub::Call(const std::string& device_id, uint64_t call_id, const std::string& method,
                   const std::string& payload) {
  const Session session = Find(device_id);
  pb::AttachResponse message;
  pb::MethodCall* call = message.add_method_calls();
  call->set_call_id(call_id);
  call->set_session(session.session);
  call->set_epoch(session.epoch);
  call->set_method(method);
  call->set_payload(payload);
  call->set_permit_expire_unix_micros(absl::ToUnixMicros(absl::Now() + absl::Seconds(20)));
  call->set_answer_deadline_unix_micros(absl::ToUnixMicros(absl::Now() + absl::Seconds(30)));
  Send(std::move(message));
}

void FakeHub::TakeAnswer(const pb::CallReport& report) {
  pb::AttachResponse message;
  pb::TakenAnswer* taken = message.add_taken_answers();
  taken->set_call_id(report.call_id());
  taken->set_session(report.answer().waiting_session());
  Send(std::move(message));
}

void FakeHub::SetAcknowledging(bool acknowledging) {
  MutexLock lock(mutex_);
  is_acknowledging_ = acknowledging;
}

bool FakeHub::is_attached() const {
  MutexLock lock(mutex_);
  return stream_ != nullptr;
}

int FakeHub::heartbeats() const {
  MutexLock lock(mutex_);
  return heartbeats_;
}

FakeHub::Session FakeHub::Find(const std::string& device_id) const {
  MutexLock lock(mutex_);
  const auto session = sessions_.find(device_id);
  return session == sessions_.end() ? Session() : session->second;
}

std::vector<pb::CallReport> FakeHub::reports() const {
  MutexLock lock(mutex_);
  return reports_;
}

std::vector<pb::SessionClosed> FakeHub::closed() const {
  MutexLock lock(mutex_);
  return closed_;
}

std::vector<pb::LiveSession> FakeHub::announced() const {
  MutexLock lock(mutex_);
  return announced_;
}

std::vector<pb::ReportedPatch> FakeHub::patches() const {
  MutexLock lock(mutex_);
  return patches_;
}

std::vector<int64_t> FakeHub::active_epochs() const {
  MutexLock lock(mutex_);
  return active_epochs_;
}

pb::EdgeStatus FakeHub::status() const {
  MutexLock lock(mutex_);
  return status_;
}

}  // namespace fleetcast::mqtt_edge
