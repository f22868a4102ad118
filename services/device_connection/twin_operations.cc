#include "services/device_connection/twin_operations.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "libs/base/random.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/trace.h"

namespace fleetcast::device_connection {

namespace pb = ::fleetcast::internal::v1;

namespace {

constexpr int kThreads = 2;

// The body of a refused twin operation (device-mqtt.md 4.7). Never empty and always JSON: the Node SDK crashes on
// anything else.
std::string ErrorObject(int32_t status, std::string_view message, absl::Time now) {
  return absl::StrFormat("{\"errorCode\":%d,\"message\":%s,\"trackingId\":\"%s\",\"timestampUtc\":\"%s\"}",
                         status * 1000 + 1, json::Quote(message), RandomId(),
                         absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now, absl::UTCTimeZone()));
}

// 409 is between us and twin: the session is fenced. The device, should it still listen, is told to try again.
int32_t DeviceStatus(int32_t status) { return status == 409 ? 503 : status; }

void FillUnavailable(pb::TwinReadResult& result, absl::Time now) {
  result.set_status(503);
  result.set_document(ErrorObject(503, "the twin is not available, try again", now));
}

void FillUnavailable(pb::ReportedPatchResult& result, absl::Time now) {
  result.set_status(503);
  result.set_error(ErrorObject(503, "the twin is not available, try again", now));
}

// Which operation of which device a result answers.
struct Address {
  uint64_t session;
  std::string request_id;
};

// The span of a batch in which devices have sent trace contexts: it goes on with the first one, and knows the others.
// Without any there is none.
telemetry::Span SpanOf(std::string_view name, const std::vector<std::string_view>& traceparents) {
  telemetry::SpanOptions options{.kind = telemetry::SpanKind::kConsumer};
  for (const std::string_view text : traceparents) {
    const telemetry::TraceContext context = telemetry::ParseTraceparent(text);
    if (!context.valid()) continue;
    if (options.parent.has_value()) {
      options.links.push_back(context);
    } else {
      options.parent = context;
    }
  }
  return options.parent.has_value() ? telemetry::Span(name, options) : telemetry::Span();
}

template <typename Result>
Result& AddressTo(const Address& address, Result* result) {
  result->set_session(address.session);
  result->set_request_id(address.request_id);
  return *result;
}

}  // namespace

TwinOperations::TwinOperations(TwinClient& twin, Clock& clock, const HubMetrics& metrics)
    : twin_(twin),
      clock_(clock),
      metrics_(metrics),
      reads_({.threads = kThreads, .queue_max = kQueueMax, .batch_max = kReadsMax},
             [this](std::vector<ReadRequest> batch) { HandleReads(std::move(batch)); }),
      // One thread: patches of a device are applied in the order in which it sent them.
      patches_({.threads = 1, .queue_max = kQueueMax, .batch_max = kPatchesMax},
               [this](std::vector<PatchRequest> batch) { HandlePatches(std::move(batch)); }) {}

void TwinOperations::Read(std::shared_ptr<const Edge> edge, pb::TwinRead read) {
  const Address address = {read.session(), read.request_id()};
  if (reads_.TrySubmit({edge, std::move(read)})) return;
  metrics_.refused.With({"twin_read"}).Add();
  pb::AttachResponse refusal;
  FillUnavailable(AddressTo(address, refusal.add_twin_read_results()), clock_.Now());
  edge->Send(std::move(refusal));
}

void TwinOperations::Patch(std::shared_ptr<const Edge> edge, pb::ReportedPatch patch) {
  const Address address = {patch.session(), patch.request_id()};
  if (patches_.TrySubmit({edge, std::move(patch)})) return;
  metrics_.refused.With({"reported_patch"}).Add();
  pb::AttachResponse refusal;
  FillUnavailable(AddressTo(address, refusal.add_reported_patch_results()), clock_.Now());
  edge->Send(std::move(refusal));
}

void TwinOperations::HandleReads(std::vector<ReadRequest> batch) {
  pb::ReadDeviceTwinsRequest request;
  std::vector<std::string_view> traceparents;
  for (const ReadRequest& read : batch) {
    request.add_device_ids(read.read.device_id());
    traceparents.push_back(read.read.traceparent());
  }
  const telemetry::Span span = SpanOf("read device twins", traceparents);
  const telemetry::ScopedTrace trace(span.context());
  auto twins = twin_.ReadTwins(request);
  const bool complete = twins.ok() && twins->twins_size() == request.device_ids_size();
  if (!complete) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "twins not read", {{"error", twins.status()}});
  }
  EdgeMessages messages;
  for (size_t i = 0; i < batch.size(); ++i) {
    const Address address = {batch[i].read.session(), batch[i].read.request_id()};
    pb::TwinReadResult& result = AddressTo(address, messages.To(batch[i].edge).add_twin_read_results());
    if (!complete) {
      FillUnavailable(result, clock_.Now());
      continue;
    }
    pb::DeviceTwin& twin = *twins->mutable_twins(static_cast<int>(i));
    result.set_status(twin.found() ? 200 : 404);
    result.set_desired_version(twin.desired_version());
    if (twin.found()) {
      result.set_document(std::move(*twin.mutable_document()));
    } else {
      result.set_document(ErrorObject(404, "the device is not registered", clock_.Now()));
    }
  }
  messages.Send();
}

void TwinOperations::HandlePatches(std::vector<PatchRequest> batch) {
  pb::PatchReportedRequest request;
  std::vector<std::string_view> traceparents;
  for (PatchRequest& patch : batch) {
    traceparents.push_back(patch.patch.traceparent());
    pb::ReportedChange* change = request.add_changes();
    change->set_device_id(patch.patch.device_id());
    change->set_session_epoch(patch.patch.epoch());
    change->set_if_version(patch.patch.if_version());
    change->set_patch(std::move(*patch.patch.mutable_patch()));
  }
  const telemetry::Span span = SpanOf("patch reported properties", traceparents);
  const telemetry::ScopedTrace trace(span.context());
  const auto patched = twin_.PatchReported(request);
  const bool complete = patched.ok() && patched->results_size() == request.changes_size();
  if (!complete) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "reported properties not patched", {{"error", patched.status()}});
  }
  EdgeMessages messages;
  for (size_t i = 0; i < batch.size(); ++i) {
    const Address address = {batch[i].patch.session(), batch[i].patch.request_id()};
    pb::ReportedPatchResult& result = AddressTo(address, messages.To(batch[i].edge).add_reported_patch_results());
    if (!complete) {
      FillUnavailable(result, clock_.Now());
      continue;
    }
    const pb::ReportedChangeResult& change = patched->results(static_cast<int>(i));
    result.set_status(DeviceStatus(change.status()));
    result.set_version(change.version());
    if (change.status() >= 300) result.set_error(ErrorObject(result.status(), change.message(), clock_.Now()));
  }
  messages.Send();
}

}  // namespace fleetcast::device_connection
