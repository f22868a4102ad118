#include "services/twin/twin_write_service.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/trace.h"
#include "services/twin/store/twin_writer.h"

namespace fleetcast::twin {

namespace pb = ::fleetcast::internal::v1;

namespace {

// Longest that one slice may take, waiting for a database session included.
constexpr absl::Duration kSliceLimit = absl::Seconds(10);
constexpr char kCodeLimits[] = "400004";

pb::TwinSliceResult ResultFor(const pb::TwinSlice& slice, pb::TwinSliceResult::Disposition disposition) {
  pb::TwinSliceResult result;
  result.set_job_seq(slice.job_seq());
  result.set_chunk(slice.chunk());
  result.set_slice(slice.slice());
  result.set_disposition(disposition);
  return result;
}

// What no device can take fails on each of them, without a transaction: the same answer however often it is sent.
pb::TwinSliceResult RefuseAll(const pb::TwinSlice& slice, const absl::Status& why) {
  pb::TwinSliceResult result = ResultFor(slice, pb::TwinSliceResult::DISPOSITION_APPLIED);
  for (int i = 0; i < slice.device_ids_size(); ++i) {
    pb::TwinWriteFailure& failure = *result.add_failures();
    failure.set_index(i);
    failure.set_code(kCodeLimits);
    failure.set_reason(GetReason(why));
    failure.set_description(std::string(why.message()));
  }
  return result;
}

// A permit of 0 never expires.
absl::Time PermitOf(const pb::TwinSlice& slice) {
  if (slice.permit_expire_unix_micros() == 0) return absl::FromCivil(absl::CivilDay(9999, 1, 1), absl::UTCTimeZone());
  return absl::FromUnixMicros(slice.permit_expire_unix_micros());
}

}  // namespace

grpc::ServerBidiReactor<pb::WriteSlicesRequest, pb::WriteSlicesResponse>* TwinWriteService::WriteSlices(
    grpc::CallbackServerContext* context) {
  using Stream = rpc::BidiServerStream<pb::WriteSlicesRequest, pb::WriteSlicesResponse>;
  auto stream = Stream::Create();
  const auto answer = [stream](pb::TwinSliceResult result) {
    pb::WriteSlicesResponse response;
    *response.add_results() = std::move(result);
    // A scheduler that does not read its results has lost them: it sends the slices again on a new stream.
    if (!stream->TrySend(std::move(response))) stream->Abort();
  };
  return stream->Start(context, {.on_message =
                                     [this, answer](pb::WriteSlicesRequest&& message) {
                                       for (pb::TwinSlice& slice : *message.mutable_slices()) {
                                         auto work = std::make_shared<const pb::TwinSlice>(std::move(slice));
                                         const bool is_queued =
                                             slice_workers_.TrySubmit([this, answer, work] { answer(Write(*work)); });
                                         if (!is_queued) {
                                           answer(ResultFor(*work, pb::TwinSliceResult::DISPOSITION_NOT_APPLIED));
                                         }
                                       }
                                     },
                                 .on_closed = nullptr});
}

pb::TwinSliceResult TwinWriteService::Write(const pb::TwinSlice& slice) {
  telemetry::Span span("write twins", {.parent = telemetry::ParseTraceparent(slice.traceparent())});
  span.SetAttribute("fleetcast.batch_size", slice.device_ids_size());
  const telemetry::ScopedTrace scope(span.context());
  const absl::StatusOr<TwinEdit> edit = ParseMerge(slice.tags_patch(), slice.desired_patch());
  if (!edit.ok()) return RefuseAll(slice, edit.status());
  if (slice.device_ids_size() > static_cast<int>(kTwinsPerTransactionMax)) {
    return RefuseAll(slice,
                     absl::InvalidArgumentError(absl::StrCat("more than ", kTwinsPerTransactionMax, " devices")));
  }
  const std::vector<std::string> ids(slice.device_ids().begin(), slice.device_ids().end());
  const absl::StatusOr<SliceResult> written =
      slices_.Apply(absl::Now() + kSliceLimit, {slice.job_seq(), slice.chunk(), slice.slice()}, ids, *edit,
                    slice.if_match(), PermitOf(slice));
  span.SetStatus(written.status());
  if (!written.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(5), "slice not written", {{"error", written.status()}});
    return ResultFor(slice, pb::TwinSliceResult::DISPOSITION_UNKNOWN);
  }
  if (!written->is_applied) return ResultFor(slice, pb::TwinSliceResult::DISPOSITION_NOT_APPLIED);
  pb::TwinSliceResult result = ResultFor(slice, pb::TwinSliceResult::DISPOSITION_APPLIED);
  for (const SliceFailure& failure : written->failures) {
    pb::TwinWriteFailure& out = *result.add_failures();
    out.set_index(failure.index);
    out.set_code(absl::StrCat(failure.code));
    out.set_reason(failure.reason);
    out.set_description(failure.description);
  }
  if (!edit->touches_desired()) return result;
  on_change_();
  return result;
}

}  // namespace fleetcast::twin
