#include "services/twin/twin_write_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/trace.h"

namespace fleetcast::twin {

namespace pb = ::fleetcast::internal::v1;

namespace {

// Longest that one slice may take, waiting for a database session included.
constexpr absl::Duration kSliceLimit = absl::Seconds(10);
// A permit lasts no longer from now: --permit-lifetime of schedulers is 10 s at most, and clocks differ.
constexpr absl::Duration kPermitMax = absl::Seconds(11);
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

std::vector<pb::TwinSliceResult> RefuseAll(std::span<const SliceWork> group, const absl::Status& why) {
  std::vector<pb::TwinSliceResult> results;
  for (const SliceWork& work : group) results.push_back(RefuseAll(work.slice, why));
  return results;
}

pb::TwinSliceResult ToProto(const pb::TwinSlice& slice, const SliceResult& from) {
  if (!from.is_applied) return ResultFor(slice, pb::TwinSliceResult::DISPOSITION_NOT_APPLIED);
  pb::TwinSliceResult result = ResultFor(slice, pb::TwinSliceResult::DISPOSITION_APPLIED);
  for (const SliceFailure& failure : from.failures) {
    pb::TwinWriteFailure& out = *result.add_failures();
    out.set_index(failure.index);
    out.set_code(absl::StrCat(failure.code));
    out.set_reason(failure.reason);
    out.set_description(failure.description);
  }
  return result;
}

// A permit of 0 never expires.
absl::Time PermitOf(const pb::TwinSlice& slice) {
  if (slice.permit_expire_unix_micros() == 0) return absl::FromCivil(absl::CivilDay(9999, 1, 1), absl::UTCTimeZone());
  return absl::FromUnixMicros(slice.permit_expire_unix_micros());
}

// Permits of a clock that is ahead outlive what a cancel waits for: they count as expired (decision 0004).
bool IsPermitted(const pb::TwinSlice& slice, absl::Time now) {
  const absl::Time permit = PermitOf(slice);
  return slice.permit_expire_unix_micros() == 0 || (now < permit && permit <= now + kPermitMax);
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
                                         Queue({std::move(slice), answer});
                                       }
                                     },
                                 .on_closed = nullptr});
}

void TwinWriteService::Queue(SliceWork work) {
  const pb::TwinSliceResult refusal = ResultFor(work.slice, pb::TwinSliceResult::DISPOSITION_NOT_APPLIED);
  const auto answer = work.answer;
  if (!queue_.TryAdd(std::move(work))) {
    answer(refusal);
    return;
  }
  // Whoever runs takes one slice at least. Both queues have the same bound: when this one is refused, enough others
  // wait.
  slice_workers_.TrySubmit([this] { WriteNext(); });
}

void TwinWriteService::WriteNext() {
  std::vector<SliceWork> group = queue_.Take();
  const absl::Time now = absl::Now();
  const auto late = std::stable_partition(group.begin(), group.end(),
                                          [&](const SliceWork& work) { return IsPermitted(work.slice, now); });
  WriteAll({group.begin(), late}, absl::InfiniteFuture());
  // These only hear what was applied under an earlier permit, and do not hold up the others.
  WriteAll({late, group.end()}, absl::UnixEpoch());
}

void TwinWriteService::WriteAll(std::span<const SliceWork> group, absl::Time permit) {
  if (group.empty()) return;
  std::vector<pb::TwinSliceResult> results = Write(group, permit);
  for (size_t i = 0; i < group.size(); ++i) group[i].answer(std::move(results[i]));
}

std::vector<pb::TwinSliceResult> TwinWriteService::Write(std::span<const SliceWork> group, absl::Time permit) {
  const pb::TwinSlice& first = group.front().slice;
  telemetry::Span span("write twins", {.parent = telemetry::ParseTraceparent(first.traceparent())});
  const telemetry::ScopedTrace scope(span.context());
  const absl::StatusOr<TwinEdit> edit = ParseMerge(first.tags_patch(), first.desired_patch());
  if (!edit.ok()) return RefuseAll(group, edit.status());
  if (first.device_ids_size() > static_cast<int>(kTwinsPerTransactionMax)) {
    return RefuseAll(group,
                     absl::InvalidArgumentError(absl::StrCat("more than ", kTwinsPerTransactionMax, " devices")));
  }
  std::vector<Slice> slices;
  int devices = 0;
  for (const SliceWork& work : group) {
    const pb::TwinSlice& slice = work.slice;
    slices.push_back(
        {{slice.job_seq(), slice.chunk(), slice.slice()}, {slice.device_ids().begin(), slice.device_ids().end()}});
    permit = std::min(permit, PermitOf(slice));
    devices += slice.device_ids_size();
  }
  span.SetAttribute("fleetcast.batch_size", devices);
  const absl::StatusOr<std::vector<SliceResult>> written =
      slices_.Apply(absl::Now() + kSliceLimit, slices, *edit, first.if_match(), permit);
  span.SetStatus(written.status());
  std::vector<pb::TwinSliceResult> results;
  if (!written.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(5), "slices not written", {{"error", written.status()}});
    for (const SliceWork& work : group) {
      results.push_back(ResultFor(work.slice, pb::TwinSliceResult::DISPOSITION_UNKNOWN));
    }
    return results;
  }
  for (size_t i = 0; i < group.size(); ++i) results.push_back(ToProto(group[i].slice, (*written)[i]));
  if (edit->touches_desired()) on_change_();
  return results;
}

}  // namespace fleetcast::twin
