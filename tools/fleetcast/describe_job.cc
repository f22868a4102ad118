#include "tools/fleetcast/describe_job.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/fleetcast/describe.h"
#include "tools/fleetcast/rollout_text.h"

namespace fleetcast::cli {
namespace {

using jobs::v1::Execution;
using jobs::v1::Job;
using json::Value;

std::string StateName(const Job& job) { return PlainName(Job::State_Name(job.state()), "STATE_"); }

std::string StateName(Execution::State state) { return PlainName(Execution::State_Name(state), "STATE_"); }

bool IsPaused(const Job& job) { return job.has_pause_time() && !IsTerminal(job); }

bool WaitsForConnection(const Job& job) {
  return job.invoke_method().offline_policy() == jobs::v1::InvokeMethodAction::OFFLINE_POLICY_WAIT;
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
    action.Set("waitForConnection", Value::Bool(WaitsForConnection(job)));
  } else if (job.has_update_twin()) {
    const auto& twin = job.update_twin();
    if (!twin.tags_patch().empty()) action.Set("tags", Document(twin.tags_patch()));
    if (!twin.desired_patch().empty()) action.Set("desired", Document(twin.desired_patch()));
    SetText(action, "etag", twin.etag());
  }
  return action;
}

Value StatisticsJson(const jobs::v1::JobStatistics& statistics) {
  Value counts = Value::MakeObject();
  counts.Set("total", Value::Int(statistics.total()));
  counts.Set("pending", Value::Int(statistics.pending()));
  counts.Set("running", Value::Int(statistics.running()));
  counts.Set("succeeded", Value::Int(statistics.succeeded()));
  counts.Set("failed", Value::Int(statistics.failed()));
  counts.Set("timedOut", Value::Int(statistics.timed_out()));
  counts.Set("canceled", Value::Int(statistics.canceled()));
  counts.Set("deviceErrors", Value::Int(statistics.device_errors()));
  return counts;
}

void SetOrigin(const Job& job, Value& object) {
  if (job.retried_job_id().empty()) return;
  json::Array states;
  for (const int state : job.retried_states()) {
    states.push_back(Value::String(StateName(static_cast<Execution::State>(state))));
  }
  object.Set("retriedJobId", Value::String(job.retried_job_id()));
  object.Set("retriedStates", Value::MakeArray(std::move(states)));
}

Value JobJson(const Job& job) {
  Value object = Value::MakeObject();
  object.Set("id", Value::String(job.id()));
  object.Set("state", Value::String(StateName(job)));
  object.Set("paused", Value::Bool(IsPaused(job)));
  object.Set("condition", Value::String(job.condition()));
  object.Set(job.has_invoke_method() ? "invokeMethod" : "updateTwin", ActionJson(job));
  object.Set("priority", Value::Int(job.priority()));
  if (job.has_rollout()) object.Set("rollout", RolloutJson(job.rollout()));
  if (job.has_retry()) object.Set("retry", RetryJson(job.retry()));
  object.Set("statistics", StatisticsJson(job.statistics()));
  SetOrigin(job, object);
  SetText(object, "failureReason", job.failure_reason());
  SetText(object, "statusMessage", job.status_message());
  SetText(object, "etag", job.etag());
  if (job.has_execution_timeout()) object.Set("executionTimeout", Value::String(FormatSpan(job.execution_timeout())));
  if (job.has_start_time()) object.Set("startTime", Value::String(FormatInstant(job.start_time())));
  if (job.has_create_time()) object.Set("createTime", Value::String(FormatInstant(job.create_time())));
  if (job.has_actual_start_time()) object.Set("actualStartTime", Value::String(FormatInstant(job.actual_start_time())));
  if (job.has_pause_time()) object.Set("pauseTime", Value::String(FormatInstant(job.pause_time())));
  if (job.has_end_time()) object.Set("endTime", Value::String(FormatInstant(job.end_time())));
  return object;
}

std::string Number(int64_t value) { return GroupDigits(value); }

std::string Instant(bool is_set, const google::protobuf::Timestamp& stamp) {
  return is_set ? FormatInstant(stamp) : std::string();
}

std::string OriginText(const Job& job) {
  if (job.retried_job_id().empty()) return "";
  std::vector<std::string> states;
  for (const int state : job.retried_states()) states.push_back(StateName(static_cast<Execution::State>(state)));
  return absl::StrCat(absl::StrJoin(states, ", "), " of ", job.retried_job_id());
}

std::string TargetsText(const Job& job) {
  return job.retried_job_id().empty() ? Cut(job.condition()) : OriginText(job);
}

std::string PriorityText(const Job& job) { return job.priority() == 0 ? "" : Number(job.priority()); }

// The full view of a job, names and cells side by side.
std::vector<std::pair<std::string, std::string>> Fields(const Job& job) {
  const auto& counts = job.statistics();
  return {{"id", job.id()},
          {"state", StateText(job)},
          {"why", job.failure_reason()},
          {"action", ActionText(job)},
          {"devices", Number(counts.total())},
          {"succeeded", Number(counts.succeeded())},
          {"device errors", Number(counts.device_errors())},
          {"failed", Number(counts.failed())},
          {"timed out", Number(counts.timed_out())},
          {"canceled", Number(counts.canceled())},
          {"pending", Number(counts.pending())},
          {"running", Number(counts.running())},
          {"targets", TargetsText(job)},
          {"pace", PaceText(job.rollout())},
          {"stops at", AbortText(job.rollout())},
          {"retries", RetryText(job.retry())},
          {"when offline", WaitsForConnection(job) ? "waits for the connection" : ""},
          {"priority", PriorityText(job)},
          {"created", Instant(job.has_create_time(), job.create_time())},
          {"starts", Instant(job.has_start_time(), job.start_time())},
          {"started", Instant(job.has_actual_start_time(), job.actual_start_time())},
          {"paused", Instant(job.has_pause_time(), job.pause_time())},
          {"ended", Instant(job.has_end_time(), job.end_time())},
          {"remark", job.status_message()}};
}

}  // namespace

std::string StateText(const Job& job) { return StateName(job) + (IsPaused(job) ? " (paused)" : ""); }

bool IsTerminal(const Job& job) {
  return job.state() == Job::STATE_COMPLETED || job.state() == Job::STATE_FAILED || job.state() == Job::STATE_CANCELLED;
}

bool AllSucceeded(const Job& job) {
  return job.state() == Job::STATE_COMPLETED && job.statistics().succeeded() == job.statistics().total();
}

Counts CountsOf(const Job& job) {
  const auto& counts = job.statistics();
  return {counts.total(), counts.succeeded() + counts.failed() + counts.timed_out() + counts.canceled(),
          counts.failed() + counts.timed_out() + counts.canceled(), counts.device_errors()};
}

std::vector<std::string> JobHeadings() {
  return {"ID",     "STATE",     "ACTION",   "PRIORITY",      "PACE",    "TOTAL", "SUCCEEDED",
          "FAILED", "TIMED OUT", "CANCELED", "DEVICE ERRORS", "CREATED", "WHY"};
}

Record JobRecord(const Job& job) {
  const auto& counts = job.statistics();
  return {
      JobJson(job),
      {job.id(), StateText(job), ActionText(job), PriorityText(job), PaceText(job.rollout()), Number(counts.total()),
       Number(counts.succeeded()), Number(counts.failed()), Number(counts.timed_out()), Number(counts.canceled()),
       Number(counts.device_errors()), FormatInstant(job.create_time()), Cut(job.failure_reason())}};
}

std::vector<std::string> JobFieldNames() {
  std::vector<std::string> names;
  for (auto& [name, cell] : Fields(Job())) names.push_back(name);
  return names;
}

Record JobDetails(const Job& job) {
  Record record = {JobJson(job), {}};
  for (auto& [name, cell] : Fields(job)) record.cells.push_back(std::move(cell));
  return record;
}

Record DryRunRecord(const jobs::v1::CreateJobResponse& response) {
  json::Array samples;
  for (const std::string& id : response.sample_device_ids()) samples.push_back(Value::String(id));
  Value object = Value::MakeObject();
  object.Set("matchingDevices", Value::Int(response.matching_devices()));
  object.Set("connectedDevices", Value::Int(response.connected_devices()));
  object.Set("sampleDeviceIds", Value::MakeArray(std::move(samples)));
  return {std::move(object), {}};
}

std::string DryRunText(const jobs::v1::CreateJobResponse& response) {
  std::string text = absl::StrCat(Number(response.matching_devices()),
                                  response.matching_devices() == 1 ? " device matches, " : " devices match, ",
                                  Number(response.connected_devices()), " connected\n");
  if (response.sample_device_ids().empty()) return text;
  return absl::StrCat(text, "for instance ", absl::StrJoin(response.sample_device_ids(), " "), "\n");
}

std::vector<std::string> ExecutionHeadings() { return {"DEVICE", "JOB", "STATE", "STATUS", "ENDED", "RESULT"}; }

Record ExecutionRecord(const Execution& execution) {
  const std::string state = StateName(execution.state());
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

}  // namespace fleetcast::cli
