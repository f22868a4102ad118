#include "services/scheduler/testing/fake_hops.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/base/check.h"

namespace fleetcast::scheduler {
namespace {

namespace pb = internal::v1;

constexpr int kPage = 10'000;

void AddAnswer(const pb::ExecutionKey& key, pb::DispatchResponse* response) {
  pb::JobCallEvent* event = response->add_events();
  *event->mutable_key() = key;
  event->mutable_answer()->set_device_status(200);
  event->mutable_answer()->set_payload(R"({"locked":true})");
}

}  // namespace

grpc::ServerBidiReactor<pb::DispatchRequest, pb::DispatchResponse>* FakeDispatch::Dispatch(
    grpc::CallbackServerContext* context) {
  auto stream = Stream::Create();
  pb::DispatchResponse welcome;
  welcome.mutable_hello()->set_boot_id("fake");
  welcome.mutable_hello()->set_boot_unix_micros(absl::ToUnixMicros(boot_));
  welcome.set_credit(credit_);
  stream->TrySend(std::move(welcome));
  return stream->Start(context,
                       {.on_message = [this, stream](pb::DispatchRequest&& request) { OnMessage(stream, request); },
                        .on_closed = nullptr});
}

void FakeDispatch::OnMessage(const std::shared_ptr<Stream>& stream, const pb::DispatchRequest& request) {
  pb::DispatchResponse response;
  {
    MutexLock lock(mutex_);
    for (const pb::ExecutionKey& key : request.acknowledge()) kept_.erase({key.job_seq(), key.position()});
    for (const pb::JobCallBatch& batch : request.batches()) {
      const bool late = absl::Now() >= absl::FromUnixMicros(batch.permit_expire_unix_micros());
      for (const pb::JobCallTarget& target : batch.targets()) {
        pb::ExecutionKey key;
        key.set_job_seq(batch.job_seq());
        key.set_position(target.position());
        if (late) {
          pb::JobCallEvent* event = response.add_events();
          *event->mutable_key() = key;
          event->mutable_not_sent()->set_reason(pb::NOT_SENT_REASON_PERMIT_EXPIRED);
          continue;
        }
        ++calls_[{key.job_seq(), key.position()}];
        kept_[{key.job_seq(), key.position()}] = !hold_;
        *response.add_events()->mutable_key() = key;
        response.mutable_events()->rbegin()->mutable_sent();
        if (!hold_) AddAnswer(key, &response);
      }
    }
    for (const pb::ExecutionKey& key : request.recover()) {
      const auto kept = kept_.find({key.job_seq(), key.position()});
      pb::RecoverResult* result = response.add_recovered();
      *result->mutable_key() = key;
      result->set_knowledge(kept == kept_.end() ? pb::RecoverResult::KNOWLEDGE_NOT_SEEN
                                                : pb::RecoverResult::KNOWLEDGE_FINISHED);
      if (kept != kept_.end()) AddAnswer(key, &response);
    }
  }
  if (response.events_size() + response.recovered_size() > 0) stream->TrySend(std::move(response));
}

void FakeDispatch::HoldAnswers(bool hold) {
  MutexLock lock(mutex_);
  hold_ = hold;
}

int FakeDispatch::MostCalls() {
  MutexLock lock(mutex_);
  int most = 0;
  for (const auto& [key, count] : calls_) most = std::max(most, count);
  return most;
}

size_t FakeDispatch::calls() {
  MutexLock lock(mutex_);
  return calls_.size();
}

size_t FakeDispatch::kept() {
  MutexLock lock(mutex_);
  return kept_.size();
}

grpc::ServerBidiReactor<pb::WriteSlicesRequest, pb::WriteSlicesResponse>* FakeTwin::WriteSlices(
    grpc::CallbackServerContext* context) {
  auto stream = rpc::BidiServerStream<pb::WriteSlicesRequest, pb::WriteSlicesResponse>::Create();
  return stream->Start(context, {.on_message =
                                     [this, stream](pb::WriteSlicesRequest&& request) {
                                       pb::WriteSlicesResponse response;
                                       for (const pb::TwinSlice& slice : request.slices()) {
                                         pb::TwinSliceResult* result = response.add_results();
                                         result->set_job_seq(slice.job_seq());
                                         result->set_chunk(slice.chunk());
                                         result->set_slice(slice.slice());
                                         result->set_disposition(pb::TwinSliceResult::DISPOSITION_APPLIED);
                                         written_ += slice.device_ids_size();
                                       }
                                       stream->TrySend(std::move(response));
                                     },
                                 .on_closed = nullptr});
}

grpc::ServerWriteReactor<pb::StreamTargetsResponse>* FakeTwin::StreamTargets(grpc::CallbackServerContext* context,
                                                                             const pb::StreamTargetsRequest* request) {
  return rpc::StreamOn<pb::StreamTargetsResponse>(
      workers_, context,
      [this, after = request->after_device_id()](const rpc::Call&,
                                                 rpc::ServerStream<pb::StreamTargetsResponse>& out) -> absl::Status {
        pb::StreamTargetsResponse page;
        for (int i = 0; i < devices_; ++i) {
          std::string id = absl::StrFormat("device-%07d", i);
          if (id <= after) continue;
          page.add_device_ids(std::move(id));
          if (page.device_ids_size() < kPage) continue;
          if (!out.Send(std::exchange(page, {}))) return absl::CancelledError("nobody listens");
        }
        if (page.device_ids_size() > 0) out.Send(std::move(page));
        return absl::OkStatus();
      });
}

FakeHops::FakeHops(int devices) : twin(devices) {
  auto server = rpc::Server::Start(
      {.listen = "127.0.0.1:0"},
      {{pb::MethodDispatchService::service_full_name(), &dispatch},
       {pb::TwinWriteService::service_full_name(), static_cast<pb::TwinWriteService::CallbackService*>(&twin)},
       {pb::TargetService::service_full_name(), static_cast<pb::TargetService::CallbackService*>(&twin)}},
      metrics_);
  FLEETCAST_CHECK(server.ok());
  server_ = *std::move(server);
  address_ = absl::StrCat("127.0.0.1:", server_->port());
}

}  // namespace fleetcast::scheduler
