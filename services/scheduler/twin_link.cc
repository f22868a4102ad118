#include "services/scheduler/twin_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "fleetcast/internal/v1/twin_write.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/client_stream.h"

namespace fleetcast::scheduler {
namespace {

namespace pb = fleetcast::internal::v1;

using WriteStream = rpc::BidiClientStream<pb::WriteSlicesRequest, pb::WriteSlicesResponse>;

// For a failure whose code is not a number: "internal error" of service-rest 4.3.
constexpr int32_t kServerError = 500001;

SliceResult::Disposition FromProto(pb::TwinSliceResult::Disposition disposition) {
  switch (disposition) {
    case pb::TwinSliceResult::DISPOSITION_APPLIED: return SliceResult::Disposition::kApplied;
    case pb::TwinSliceResult::DISPOSITION_NOT_APPLIED: return SliceResult::Disposition::kNotApplied;
    default: return SliceResult::Disposition::kUnknown;
  }
}

SliceResult FromProto(pb::TwinSliceResult& from) {
  SliceResult to{.chunk = {from.job_seq(), from.chunk()},
                 .slice = from.slice(),
                 .disposition = FromProto(from.disposition()),
                 .failures = {}};
  to.failures.reserve(static_cast<size_t>(from.failures_size()));
  for (pb::TwinWriteFailure& failure : *from.mutable_failures()) {
    int32_t code = 0;
    if (!absl::SimpleAtoi(failure.code(), &code) || code <= 0) code = kServerError;
    to.failures.push_back({failure.index(), code, std::move(*failure.mutable_reason())});
  }
  std::sort(to.failures.begin(), to.failures.end(),
            [](const SliceResult::Failure& a, const SliceResult::Failure& b) { return a.index < b.index; });
  return to;
}

}  // namespace

struct TwinLink::State {
  TwinLinkCallbacks callbacks;
  std::unique_ptr<pb::TwinWriteService::Stub> stub;
  std::unique_ptr<WriteStream> stream;

  void OnMessage(pb::WriteSlicesResponse&& message) const {
    std::vector<SliceResult> results;
    results.reserve(static_cast<size_t>(message.results_size()));
    for (pb::TwinSliceResult& result : *message.mutable_results()) results.push_back(FromProto(result));
    callbacks.on_results(std::move(results));
  }
};

absl::StatusOr<std::unique_ptr<TwinLink>> TwinLink::Make(const std::string& address, TwinLinkCallbacks callbacks) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelInterface> channel,
                             rpc::MakeChannel(address, {.own_connection = true}));
  auto state = std::make_unique<State>();
  state->callbacks = std::move(callbacks);
  state->stub = pb::TwinWriteService::NewStub(channel);
  State* raw = state.get();
  state->stream = std::make_unique<WriteStream>(
      rpc::ClientStreamOptions{.peer = address},
      [raw](grpc::ClientContext* context, auto* reactor) { raw->stub->async()->WriteSlices(context, reactor); },
      WriteStream::Callbacks{
          .on_connected = [raw] { raw->callbacks.on_up(); },
          .on_message = [raw](pb::WriteSlicesResponse&& message) { raw->OnMessage(std::move(message)); },
          .on_disconnected = [raw](const absl::Status&) { raw->callbacks.on_down(); }});
  return std::unique_ptr<TwinLink>(new TwinLink(std::move(state)));
}

TwinLink::TwinLink(std::unique_ptr<State> state) : state_(std::move(state)) {}
TwinLink::~TwinLink() = default;

void TwinLink::Start() { state_->stream->Start(); }
void TwinLink::Shutdown(absl::Duration limit) { state_->stream->Shutdown(limit); }

bool TwinLink::SendSlices(const SliceBatch& batch) {
  const auto& action = std::get<job_store::TwinAction>(batch.job->spec.action);
  pb::WriteSlicesRequest request;
  for (const SliceBatch::Slice& slice : batch.slices) {
    pb::TwinSlice* to = request.add_slices();
    to->set_job_seq(slice.chunk.job_seq);
    to->set_chunk(slice.chunk.chunk_no);
    to->set_slice(slice.slice);
    to->mutable_device_ids()->Reserve(static_cast<int>(slice.device_ids.size()));
    for (const std::string& device_id : slice.device_ids) to->add_device_ids(device_id);
    to->set_tags_patch(action.tags_patch);
    to->set_desired_patch(action.desired_patch);
    to->set_if_match(action.etag);
    to->set_permit_expire_unix_micros(absl::ToUnixMicros(batch.permit_end));
    to->set_traceparent(batch.traceparent);
  }
  return state_->stream->TrySend(std::move(request));
}

}  // namespace fleetcast::scheduler
