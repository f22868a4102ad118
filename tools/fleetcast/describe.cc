#include "tools/fleetcast/describe.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "fleetcast/jobs/v1/job.pb.h"
#include "fleetcast/registry/v1/device.pb.h"
#include "libs/base/strings.h"

namespace fleetcast::cli {
namespace {

using jobs::v1::Execution;
using jobs::v1::Job;
using json::Value;
using registry::v1::Device;

constexpr size_t kCellBytesMax = 60;  // Longer payloads and conditions are cut in tables.

absl::Time ToTime(const google::protobuf::Timestamp& stamp) {
  return absl::FromUnixSeconds(stamp.seconds()) + absl::Nanoseconds(stamp.nanos());
}

// RFC 3339 in UTC with milliseconds.
std::string FormatInstant(const google::protobuf::Timestamp& stamp) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", ToTime(stamp), absl::UTCTimeZone());
}

std::string FormatSpan(const google::protobuf::Duration& span) {
  return absl::FormatDuration(absl::Seconds(span.seconds()) + absl::Nanoseconds(span.nanos()));
}

// "STATE_TIMED_OUT" as "timed_out".
std::string PlainName(const std::string& name, std::string_view prefix) {
  return absl::AsciiStrToLower(absl::string_view(name).substr(std::min(prefix.size(), name.size())));
}

std::string Cut(std::string text) {
  if (text.size() <= kCellBytesMax) return text;
  size_t end = kCellBytesMax - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

void SetText(Value& object, std::string_view key, const std::string& text) {
  if (!text.empty()) object.Set(key, Value::String(text));
}

std::string ActionText(const Job& job) {
  if (job.has_invoke_method()) return absl::StrCat("method ", job.invoke_method().method());
  if (!job.has_update_twin()) return "";
  std::vector<std::string> sections;
  if (!job.update_twin().tags_patch().empty()) sections.push_back("tags");
  if (!job.update_twin().desired_patch().empty()) sections.push_back("desired");
  return absl::StrCat("twin ", absl::StrJoin(sections, "+"));
}

Value ActionJson(const Job& job) {
  Value action = Value::MakeObject();
  if (job.has_invoke_method()) {
    const auto& method = job.invoke_method();
    action.Set("method", Value::String(method.method()));
    action.Set("payload", Document(method.payload()));
    if (method.has_response_timeout())
      action.Set("responseTimeout", Value::String(FormatSpan(method.response_timeout())));
    if (method.has_connect_timeout()) action.Set("connectTimeout", Value::String(FormatSpan(method.connect_timeout())));
  } else if (job.has_update_twin()) {
    const auto& twin = job.update_twin();
    if (!twin.tags_patch().empty()) action.Set("tags", Document(twin.tags_patch()));
    if (!twin.desired_patch().empty()) action.Set("desired", Document(twin.desired_patch()));
  }
  return action;
}

Value JobJson(const Job& job) {
  Value object = Value::MakeObject();
  object.Set("id", Value::String(job.id()));
  object.Set("state", Value::String(StateName(job)));
  object.Set("condition", Value::String(job.condition()));
  object.Set(job.has_invoke_method() ? "invokeMethod" : "updateTwin", ActionJson(job));
  const auto& statistics = job.statistics();
  Value counts = Value::MakeObject();
  counts.Set("total", Value::Int(statistics.total()));
  counts.Set("pending", Value::Int(statistics.pending()));
  counts.Set("running", Value::Int(statistics.running()));
  counts.Set("succeeded", Value::Int(statistics.succeeded()));
  counts.Set("failed", Value::Int(statistics.failed()));
  counts.Set("timedOut", Value::Int(statistics.timed_out()));
  counts.Set("canceled", Value::Int(statistics.canceled()));
  object.Set("statistics", std::move(counts));
  SetText(object, "failureReason", job.failure_reason());
  SetText(object, "statusMessage", job.status_message());
  if (job.has_execution_timeout()) object.Set("executionTimeout", Value::String(FormatSpan(job.execution_timeout())));
  if (job.has_start_time()) object.Set("startTime", Value::String(FormatInstant(job.start_time())));
  if (job.has_create_time()) object.Set("createTime", Value::String(FormatInstant(job.create_time())));
  if (job.has_actual_start_time()) object.Set("actualStartTime", Value::String(FormatInstant(job.actual_start_time())));
  if (job.has_end_time()) object.Set("endTime", Value::String(FormatInstant(job.end_time())));
  return object;
}

std::string Number(int64_t value) { return GroupDigits(value); }

}  // namespace

std::string StateName(const Job& job) { return PlainName(Job::State_Name(job.state()), "STATE_"); }

bool IsTerminal(const Job& job) {
  return job.state() == Job::STATE_COMPLETED || job.state() == Job::STATE_FAILED || job.state() == Job::STATE_CANCELLED;
}

bool AllSucceeded(const Job& job) {
  return job.state() == Job::STATE_COMPLETED && job.statistics().succeeded() == job.statistics().total();
}

Counts CountsOf(const Job& job) {
  const auto& counts = job.statistics();
  return {counts.total(), counts.succeeded() + counts.failed() + counts.timed_out() + counts.canceled(),
          counts.failed() + counts.timed_out() + counts.canceled()};
}

std::vector<std::string> JobHeadings() {
  return {"ID", "STATE", "ACTION", "TOTAL", "SUCCEEDED", "FAILED", "TIMED OUT", "CANCELED", "CREATED"};
}

Record JobRecord(const Job& job) {
  const auto& counts = job.statistics();
  return {JobJson(job),
          {job.id(), StateName(job), ActionText(job), Number(counts.total()), Number(counts.succeeded()),
           Number(counts.failed()), Number(counts.timed_out()), Number(counts.canceled()),
           FormatInstant(job.create_time())}};
}

std::vector<std::string> JobFieldNames() {
  return {"id",      "state",   "action",  "devices", "succeeded", "failed", "timed out", "canceled", "pending",
          "running", "targets", "created", "starts",  "started",   "ended",  "why",       "remark"};
}

Record JobDetails(const Job& job) {
  const auto& counts = job.statistics();
  const auto instant = [](bool has, const google::protobuf::Timestamp& stamp) {
    return has ? FormatInstant(stamp) : std::string();
  };
  return {
      JobJson(job),
      {job.id(), StateName(job), ActionText(job), Number(counts.total()), Number(counts.succeeded()),
       Number(counts.failed()), Number(counts.timed_out()), Number(counts.canceled()), Number(counts.pending()),
       Number(counts.running()), Cut(job.condition()), instant(job.has_create_time(), job.create_time()),
       instant(job.has_start_time(), job.start_time()), instant(job.has_actual_start_time(), job.actual_start_time()),
       instant(job.has_end_time(), job.end_time()), job.failure_reason(), job.status_message()}};
}

std::vector<std::string> ExecutionHeadings() { return {"DEVICE", "JOB", "STATE", "STATUS", "ENDED", "RESULT"}; }

Record ExecutionRecord(const Execution& execution) {
  const std::string state = PlainName(Execution::State_Name(execution.state()), "STATE_");
  const bool answered =
      execution.state() == Execution::STATE_SUCCEEDED && execution.action_kind() == jobs::v1::ACTION_KIND_INVOKE_METHOD;
  Value object = Value::MakeObject();
  object.Set("deviceId", Value::String(execution.device_id()));
  object.Set("jobId", Value::String(execution.job_id()));
  object.Set("state", Value::String(state));
  if (answered) {
    object.Set("deviceStatus", Value::Int(execution.device_status()));
    object.Set("payload", Document(execution.payload()));
  }
  std::string result = answered ? execution.payload() : "";
  if (execution.has_error()) {
    Value error = Value::MakeObject();
    error.Set("code", Value::String(execution.error().code()));
    error.Set("reason", Value::String(execution.error().reason()));
    error.Set("description", Value::String(execution.error().description()));
    object.Set("error", std::move(error));
    result = absl::StrCat(execution.error().code(), " ", execution.error().reason());
  }
  if (execution.has_start_time()) object.Set("startTime", Value::String(FormatInstant(execution.start_time())));
  if (execution.has_end_time()) object.Set("endTime", Value::String(FormatInstant(execution.end_time())));
  return {std::move(object),
          {execution.device_id(), execution.job_id(), state, answered ? absl::StrCat(execution.device_status()) : "",
           execution.has_end_time() ? FormatInstant(execution.end_time()) : "", Cut(result)}};
}

std::vector<std::string> DeviceHeadings() { return {"ID", "STATUS", "CONNECTED", "LAST ACTIVITY", "PRIMARY KEY"}; }

std::vector<std::string> DeviceFieldNames() { return {"id", "status", "connected", "last activity", "primary key"}; }

Record DeviceRecord(const Device& device) {
  const std::string status = PlainName(Device::Status_Name(device.status()), "STATUS_");
  Value object = Value::MakeObject();
  object.Set("id", Value::String(device.id()));
  object.Set("status", Value::String(status));
  object.Set("connected", Value::Bool(device.connected()));
  SetText(object, "primaryKey", device.primary_key());
  SetText(object, "secondaryKey", device.secondary_key());
  SetText(object, "primaryThumbprint", device.primary_thumbprint());
  SetText(object, "generationId", device.generation_id());
  SetText(object, "etag", device.etag());
  const std::string active = device.has_last_activity_time() ? FormatInstant(device.last_activity_time()) : "";
  SetText(object, "lastActivityTime", active);
  return {std::move(object), {device.id(), status, device.connected() ? "yes" : "no", active, device.primary_key()}};
}

Value Document(std::string_view text) {
  if (text.empty()) return Value();
  absl::StatusOr<Value> value = json::Parse(text, {.bytes_max = size_t{4} << 20, .depth_max = 64});
  return value.ok() ? *std::move(value) : Value::String(text);
}

}  // namespace fleetcast::cli
