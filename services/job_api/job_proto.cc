#include "services/job_api/job_proto.h"

#include <map>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"
#include "services/job_api/proto_time.h"
#include "services/job_api/rollout_proto.h"

namespace fleetcast::job_api {
namespace {

// A sentence for people, by reason.
std::string_view Describe(std::string_view reason) {
  static const auto* const sentences = new std::map<std::string_view, std::string_view>{
      {reasons::kBadDeviceResponse, "The device answered with something that is not JSON."},
      {reasons::kConnectionClosed, "The connection was lost after the request was sent; it may have run."},
      {reasons::kDeviceDisabled, "The device is disabled."},
      {reasons::kDeviceNotFound, "The device does not exist any more."},
      {reasons::kDeviceNotOnline, "The device was not online."},
      {reasons::kEtagMismatch, "The twin has another etag than the job demands."},
      {reasons::kExecutionExpired, "The job's execution time was over before the device was reached."},
      {reasons::kInvalidTwin, "The change would break the limits of this device's twin."},
      {reasons::kJobCancelled, "The job was cancelled first."},
      {reasons::kOutcomeUnknown, "Nobody can tell whether the request ran."},
      {reasons::kPayloadTooLarge, "The request is larger than the packets that the device takes."},
      {reasons::kResponseTimeout, "The device did not answer in time; the request may have run."},
      {reasons::kTooManyInFlight, "Too many requests were open for this device."},
  };
  const auto found = sentences->find(reason);
  return found == sentences->end() ? std::string_view("The action could not be carried out.") : found->second;
}

void SetAction(const job_store::Action& action, jobs::v1::Job* out) {
  if (const auto* method = std::get_if<job_store::MethodAction>(&action)) {
    jobs::v1::InvokeMethodAction* invoke = out->mutable_invoke_method();
    invoke->set_method(method->method);
    invoke->set_payload(method->payload);
    ToProto(method->response_timeout, invoke->mutable_response_timeout());
    ToProto(method->connect_timeout, invoke->mutable_connect_timeout());
    invoke->set_offline_policy(method->wait_for_connection ? jobs::v1::InvokeMethodAction::OFFLINE_POLICY_WAIT
                                                           : jobs::v1::InvokeMethodAction::OFFLINE_POLICY_FAIL);
    return;
  }
  const auto& twin = std::get<job_store::TwinAction>(action);
  jobs::v1::UpdateTwinAction* update = out->mutable_update_twin();
  update->set_tags_patch(twin.tags_patch);
  update->set_desired_patch(twin.desired_patch);
  update->set_etag(twin.etag);
}

void SetStatistics(const job_store::JobCounts& counts, jobs::v1::JobStatistics* out) {
  out->set_total(counts.total);
  out->set_pending(counts.pending);
  out->set_running(counts.running);
  out->set_succeeded(counts.succeeded);
  out->set_failed(counts.failed);
  out->set_timed_out(counts.timed_out);
  out->set_canceled(counts.canceled);
  out->set_device_errors(counts.device_errors);
}

// What is said about pace, retries and origin; policies that ask for nothing stay unset.
void SetPolicies(const job_store::JobSpec& spec, jobs::v1::Job* out) {
  if (spec.rollout != RolloutPolicy()) ToProto(spec.rollout, out->mutable_rollout());
  if (!spec.retry.criteria.empty()) ToProto(spec.retry, out->mutable_retry());
  out->set_priority(spec.priority);
  if (!spec.retried.has_value()) return;
  out->set_retried_job_id(spec.retried->job_id);
  for (const ExecutionState state : spec.retried->states) {
    out->add_retried_states(static_cast<jobs::v1::Execution::State>(state));
  }
}

bool HasFrozenTargets(JobState state) {
  return state == JobState::kRunning || state == JobState::kCancelling || IsTerminal(state);
}

}  // namespace

void ToProto(const job_store::Job& job, jobs::v1::Job* out) {
  out->set_id(job.spec.id);
  out->set_condition(job.spec.condition);
  SetAction(job.spec.action, out);
  if (job.spec.start_time.has_value()) ToProto(*job.spec.start_time, out->mutable_start_time());
  ToProto(job.spec.execution_timeout, out->mutable_execution_timeout());
  out->set_state(static_cast<jobs::v1::Job::State>(job.state));
  if (HasFrozenTargets(job.state)) SetStatistics(job.counts, out->mutable_statistics());
  out->set_failure_reason(job.failure_reason);
  ToProto(job.create_time, out->mutable_create_time());
  if (job.started_time.has_value()) ToProto(*job.started_time, out->mutable_actual_start_time());
  if (job.end_time.has_value()) ToProto(*job.end_time, out->mutable_end_time());
  out->set_etag(absl::StrCat(job.version));
  out->set_status_message(job.spec.status_message);
  SetPolicies(job.spec, out);
  if (job.pause_time.has_value()) ToProto(*job.pause_time, out->mutable_pause_time());
}

void ToProto(const job_store::Execution& execution, jobs::v1::Execution* out) {
  out->set_job_id(execution.job_id);
  out->set_device_id(execution.device_id);
  out->set_state(static_cast<jobs::v1::Execution::State>(execution.state));
  if (execution.device_status.has_value()) out->set_device_status(*execution.device_status);
  if (execution.state == ExecutionState::kSucceeded && execution.kind == job_store::ActionKind::kInvokeMethod) {
    out->set_payload(execution.payload.empty() ? "null" : execution.payload);
  }
  if (execution.error_code != 0) {
    out->mutable_error()->set_code(absl::StrFormat("%06d", execution.error_code));
    out->mutable_error()->set_reason(execution.error_reason);
    const std::string_view sentence = Describe(execution.error_reason);
    out->mutable_error()->set_description(sentence.data(), sentence.size());
  }
  ToProto(execution.create_time, out->mutable_create_time());
  if (execution.start_time.has_value()) ToProto(*execution.start_time, out->mutable_start_time());
  if (execution.end_time.has_value()) ToProto(*execution.end_time, out->mutable_end_time());
  ToProto(execution.end_time.value_or(execution.start_time.value_or(execution.create_time)),
          out->mutable_update_time());
  out->set_action_kind(static_cast<jobs::v1::ActionKind>(execution.kind));
}

}  // namespace fleetcast::job_api
