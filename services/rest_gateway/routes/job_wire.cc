#include "services/rest_gateway/routes/job_wire.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/rest_gateway/azure_errors.h"
#include "services/rest_gateway/proto_time.h"
#include "services/rest_gateway/routes/method_wire.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {
namespace {

using jobs::v1::ActionKind;
using jobs::v1::Job;

// Spellings of types in requests (5.2); in answers only the first of each kind.
constexpr std::array<std::pair<std::string_view, ActionKind>, 9> kTypes = {{
    {"scheduleDeviceMethod", jobs::v1::ACTION_KIND_INVOKE_METHOD},
    {"scheduleDirectRequest", jobs::v1::ACTION_KIND_INVOKE_METHOD},
    {"scheduleDirectMethod", jobs::v1::ACTION_KIND_INVOKE_METHOD},
    {"scheduledDeviceMethod", jobs::v1::ACTION_KIND_INVOKE_METHOD},
    {"cloudToDeviceMethod", jobs::v1::ACTION_KIND_INVOKE_METHOD},
    {"scheduleUpdateTwin", jobs::v1::ACTION_KIND_UPDATE_TWIN},
    {"scheduleTwinUpdate", jobs::v1::ACTION_KIND_UPDATE_TWIN},
    {"scheduledUpdateTwin", jobs::v1::ACTION_KIND_UPDATE_TWIN},
    {"updateTwin", jobs::v1::ACTION_KIND_UPDATE_TWIN},
}};

// Types that clients may filter by although no v2 job has them.
constexpr std::array<std::string_view, 14> kOtherTypes = {"export",
                                                          "import",
                                                          "exportDevices",
                                                          "importDevices",
                                                          "unknown",
                                                          "backup",
                                                          "restoreFromBackup",
                                                          "failoverDataCopy",
                                                          "firmwareUpdate",
                                                          "rebootDevice",
                                                          "factoryResetDevice",
                                                          "updateDeviceConfiguration",
                                                          "readDeviceProperties",
                                                          "writeDeviceProperties"};

constexpr char kRootDesiredRemark[] = "`desired` was found at the root of updateTwin and taken for properties.desired.";

std::optional<ActionKind> FindType(std::string_view name) {
  for (const auto& [spelling, kind] : kTypes) {
    if (absl::EqualsIgnoreCase(Absl(spelling), Absl(name))) return kind;
  }
  return std::nullopt;
}

absl::StatusOr<ActionKind> ParseType(const json::Value& body) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<std::string> name, TextMember(&body, "type"));
  if (!name) return BadRequest(kArgumentNull, "the member type is missing");
  const std::optional<ActionKind> kind = FindType(*name);
  if (!kind) return BadRequest(kWrongType, "type must be scheduleDeviceMethod or scheduleUpdateTwin");
  return *kind;
}

absl::Status ParseMethodAction(const json::Value& method, Job& job) {
  FLEETCAST_ASSIGN_OR_RETURN(MethodCall call, ParseMethodCall(method));
  jobs::v1::InvokeMethodAction& action = *job.mutable_invoke_method();
  action.set_method(std::move(call.method));
  action.set_payload(std::move(call.payload));
  if (call.response_timeout_seconds) action.mutable_response_timeout()->set_seconds(*call.response_timeout_seconds);
  if (call.connect_timeout_seconds) action.mutable_connect_timeout()->set_seconds(*call.connect_timeout_seconds);
  return absl::OkStatus();
}

absl::Status ParseTwinAction(const json::Value& twin, Job& job) {
  jobs::v1::UpdateTwinAction& action = *job.mutable_update_twin();
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<std::string> etag, TextMember(&twin, "etag"));
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* tags, ObjectMember(&twin, "tags"));
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* properties, ObjectMember(&twin, "properties"));
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* desired, ObjectMember(properties, "desired"));
  if (properties == nullptr) {
    FLEETCAST_ASSIGN_OR_RETURN(desired, ObjectMember(&twin, "desired"));
    if (desired != nullptr) job.set_status_message(kRootDesiredRemark);
  }
  if (tags == nullptr && desired == nullptr) {
    return BadRequest(kArgumentNull, "updateTwin has neither tags nor properties.desired");
  }
  action.set_etag(etag.value_or("").empty() ? "*" : *etag);
  if (tags != nullptr) action.set_tags_patch(json::Print(*tags));
  if (desired != nullptr) action.set_desired_patch(json::Print(*desired));
  return absl::OkStatus();
}

absl::Status ParseAction(const json::Value& body, ActionKind kind, Job& job) {
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* method, ObjectMember(&body, "cloudToDeviceMethod"));
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* twin, ObjectMember(&body, "updateTwin"));
  const bool is_method = kind == jobs::v1::ACTION_KIND_INVOKE_METHOD;
  if ((is_method ? method : twin) == nullptr) {
    return BadRequest(kArgumentNull,
                      is_method ? "the member cloudToDeviceMethod is missing" : "the member updateTwin is missing");
  }
  if (method != nullptr && twin != nullptr) {
    return BadRequest(kArgumentInvalid, "a job has either cloudToDeviceMethod or updateTwin");
  }
  return is_method ? ParseMethodAction(*method, job) : ParseTwinAction(*twin, job);
}

// `deviceId IN ['a','b']`; `ids` as the 2016 preview sends them: an array of strings, or one string.
absl::StatusOr<std::string> ConditionOfIds(const json::Value& ids) {
  const json::Array one = {ids};
  if (!ids.is_array() && !ids.is_string()) return BadRequest(kWrongType, "deviceIds must be an array of strings");
  const json::Array& list = ids.is_array() ? ids.array() : one;
  if (list.empty()) return BadRequest(kArgumentInvalid, "deviceIds must not be empty");
  std::string condition = "deviceId IN [";
  for (const json::Value& id : list) {
    if (!id.is_string()) return BadRequest(kWrongType, "deviceIds must be an array of strings");
    // A string literal of JSON is one of the query language, but for the escapes that only occur with control
    // characters; ids have none.
    absl::StrAppend(&condition, &id == &list.front() ? "" : ",", json::Quote(id.AsString()));
  }
  return absl::StrCat(condition, "]");
}

absl::StatusOr<std::string> ParseCondition(const json::Value& body) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<std::string> condition, TextMember(&body, "queryCondition"));
  if (condition && !condition->empty()) return *condition;
  const json::Value* ids = FindMember(&body, "deviceIds");
  if (ids == nullptr) return BadRequest(kArgumentNull, "the member queryCondition is missing");
  return ConditionOfIds(*ids);
}

absl::Status ParseTimes(const json::Value& body, Job& job) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<std::string> start, TextMember(&body, "startTime"));
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<int64_t> limit, IntegerMember(&body, "maxExecutionTimeInSeconds"));
  if (limit && *limit != 0) job.mutable_execution_timeout()->set_seconds(*limit);
  if (!start) return absl::OkStatus();
  const std::optional<absl::Time> time = ParseTime(*start);
  if (!time) return BadRequest(kArgumentInvalid, "startTime must be an ISO 8601 time");
  ToProto(*time, job.mutable_start_time());
  return absl::OkStatus();
}

std::string_view StatusName(Job::State state) {
  switch (state) {
    case Job::STATE_QUEUED: return "queued";
    case Job::STATE_SCHEDULED: return "scheduled";
    case Job::STATE_RESOLVING:
    case Job::STATE_RUNNING:
    case Job::STATE_CANCELLING:  // Outcomes of what was sent still come in.
      return "running";
    case Job::STATE_COMPLETED: return "completed";
    case Job::STATE_FAILED: return "failed";
    case Job::STATE_CANCELLED: return "cancelled";
    default: return "unknown";
  }
}

std::string PrintMethodAction(const jobs::v1::InvokeMethodAction& action) {
  ObjectWriter writer;
  writer.Text("methodName", action.method()).Json("payload", action.payload());
  if (action.has_response_timeout()) {
    writer.Integer("responseTimeoutInSeconds", action.response_timeout().seconds());
  }
  if (action.has_connect_timeout()) writer.Integer("connectTimeoutInSeconds", action.connect_timeout().seconds());
  return writer.Finish();
}

std::string PrintTwinAction(const jobs::v1::UpdateTwinAction& action) {
  ObjectWriter writer;
  writer.Json("deviceId", "").Text("etag", action.etag().empty() ? "*" : action.etag());
  if (!action.tags_patch().empty()) writer.Json("tags", action.tags_patch());
  if (!action.desired_patch().empty()) {
    writer.Json("properties", ObjectWriter().Json("desired", action.desired_patch()).Finish());
  }
  return writer.Finish();
}

// The wire has no counter for targets that timed out or were cancelled: they count as failed, so that the sum is the
// number of devices in every answer.
std::string PrintStatistics(const jobs::v1::JobStatistics& statistics) {
  return ObjectWriter()
      .Integer("deviceCount", statistics.total())
      .Integer("failedCount", statistics.failed() + statistics.timed_out() + statistics.canceled())
      .Integer("succeededCount", statistics.succeeded())
      .Integer("runningCount", statistics.running())
      .Integer("pendingCount", statistics.pending())
      .Finish();
}

absl::Time StartTime(const Job& job) {
  if (job.has_start_time()) return FromProto(job.start_time());
  return FromProto(job.has_actual_start_time() ? job.actual_start_time() : job.create_time());
}

}  // namespace

absl::StatusOr<Job> ParseJob(std::string_view id, const json::Value& body) {
  Job job;
  job.set_id(std::string(id));
  FLEETCAST_ASSIGN_OR_RETURN(const ActionKind kind, ParseType(body));
  FLEETCAST_ASSIGN_OR_RETURN(*job.mutable_condition(), ParseCondition(body));
  FLEETCAST_RETURN_IF_ERROR(ParseAction(body, kind, job));
  FLEETCAST_RETURN_IF_ERROR(ParseTimes(body, job));
  return job;
}

std::string PrintJob(const Job& job, std::string_view status) {
  ObjectWriter writer;
  writer.Text("jobId", job.id()).Time("createdTime", FromProto(job.create_time())).Time("startTime", StartTime(job));
  if (job.has_end_time()) writer.Time("endTime", FromProto(job.end_time()));
  if (job.has_execution_timeout()) writer.Integer("maxExecutionTimeInSeconds", job.execution_timeout().seconds());
  if (job.has_invoke_method()) {
    writer.Text("type", TypeName(jobs::v1::ACTION_KIND_INVOKE_METHOD));
    writer.Json("cloudToDeviceMethod", PrintMethodAction(job.invoke_method()));
  } else {
    writer.Text("type", TypeName(jobs::v1::ACTION_KIND_UPDATE_TWIN));
    writer.Json("updateTwin", PrintTwinAction(job.update_twin()));
  }
  writer.Text("queryCondition", job.condition()).Text("status", status.empty() ? StatusName(job.state()) : status);
  if (job.state() == Job::STATE_FAILED) writer.Text("failureReason", job.failure_reason());
  if (!job.status_message().empty()) writer.Text("statusMessage", job.status_message());
  if (job.has_statistics()) writer.Json("deviceJobStatistics", PrintStatistics(job.statistics()));
  return writer.Finish();
}

std::string PrintUnknownJob(std::string_view id) {
  return ObjectWriter().Text("jobId", id).Text("type", "unknown").Text("status", "unknown").Finish();
}

std::string_view TypeName(ActionKind kind) {
  for (const auto& [name, known] : kTypes) {
    if (known == kind) return name;
  }
  return "unknown";
}

absl::StatusOr<JobFilterValues> ParseJobFilters(std::string_view type, std::string_view status) {
  static const auto* const kStates = new std::vector<std::pair<absl::string_view, std::vector<Job::State>>>{
      {"queued", {Job::STATE_QUEUED}},
      {"pending", {Job::STATE_QUEUED}},  // The documentation's word.
      {"scheduled", {Job::STATE_SCHEDULED}},
      {"running", {Job::STATE_RESOLVING, Job::STATE_RUNNING, Job::STATE_CANCELLING}},
      {"completed", {Job::STATE_COMPLETED}},
      {"failed", {Job::STATE_FAILED}},
      {"cancelled", {Job::STATE_CANCELLED}},
      {"enqueued", {}},
      {"unknown", {}},
  };
  JobFilterValues values;
  if (!type.empty()) {
    const std::optional<ActionKind> kind = FindType(type);
    const bool is_other = std::any_of(kOtherTypes.begin(), kOtherTypes.end(), [&](std::string_view other) {
      return absl::EqualsIgnoreCase(Absl(other), Absl(type));
    });
    if (!kind && !is_other) return BadRequest(kArgumentInvalid, "jobType is not a type of jobs");
    values.kind = kind.value_or(jobs::v1::ACTION_KIND_UNSPECIFIED);
    values.is_empty = !kind;
  }
  if (!status.empty()) {
    const auto known = std::find_if(kStates->begin(), kStates->end(), [&](const auto& entry) {
      return absl::EqualsIgnoreCase(entry.first, Absl(status));
    });
    if (known == kStates->end()) return BadRequest(kArgumentInvalid, "jobStatus is not a status of jobs");
    values.states = known->second;
    values.is_empty |= values.states.empty();
  }
  return values;
}

}  // namespace fleetcast::rest_gateway
