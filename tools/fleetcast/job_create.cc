// `fleetcast job create` and `fleetcast job retry`.
#include "tools/fleetcast/job_create.h"

#include <grpcpp/grpcpp.h>
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "fleetcast/jobs/v1/job.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/arguments.h"
#include "tools/fleetcast/describe_job.h"
#include "tools/fleetcast/interrupt.h"
#include "tools/fleetcast/job_stub.h"
#include "tools/fleetcast/job_watch.h"
#include "tools/fleetcast/rollout_arguments.h"

namespace fleetcast::cli {
namespace {

namespace jobs_pb = jobs::v1;

struct JobCreateOptions {
  std::string id;
  std::string condition = "*";
  std::string method;
  std::string payload;
  std::string tags;
  std::string desired;
  std::string start;
  std::string timeout;
  std::string response_timeout;
  std::string connect_timeout;
  std::string priority;
  std::string request_id;
  RolloutOptions rollout;
  RetryOptions retry;
  bool wait_for_connection = false;
  bool dry_run = false;
  bool watch = false;
};

struct RetryJobOptions {
  std::string id;
  std::string new_id;
  std::vector<std::string> states;
  bool device_errors = false;
  std::string request_id;
  bool watch = false;
};

absl::Status FillMethod(const JobCreateOptions& options, jobs_pb::InvokeMethodAction& action) {
  action.set_method(options.method);
  FLEETCAST_ASSIGN_OR_RETURN(*action.mutable_payload(), ArgumentText(options.payload));
  if (!options.response_timeout.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const absl::Duration span, ParseSpan("--response-timeout", options.response_timeout));
    SetProto(span, action.mutable_response_timeout());
  }
  if (!options.connect_timeout.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const absl::Duration span, ParseSpan("--connect-timeout", options.connect_timeout));
    SetProto(span, action.mutable_connect_timeout());
  }
  if (options.wait_for_connection) action.set_offline_policy(jobs_pb::InvokeMethodAction::OFFLINE_POLICY_WAIT);
  return absl::OkStatus();
}

absl::Status FillAction(const JobCreateOptions& options, jobs_pb::Job& job) {
  const bool is_method = !options.method.empty();
  const bool is_twin = !options.tags.empty() || !options.desired.empty();
  if (is_method == is_twin) {
    return absl::InvalidArgumentError(
        "a job either calls a method or changes twins\ntry:   --method NAME, or --tags JSON and --desired JSON");
  }
  if (is_method) return FillMethod(options, *job.mutable_invoke_method());
  if (options.wait_for_connection) {
    return absl::InvalidArgumentError(
        "--wait-for-connection is for methods: a twin is changed at once, and its device reads it when it connects"
        "\ntry:   without --wait-for-connection");
  }
  FLEETCAST_ASSIGN_OR_RETURN(*job.mutable_update_twin()->mutable_tags_patch(), ArgumentText(options.tags));
  FLEETCAST_ASSIGN_OR_RETURN(*job.mutable_update_twin()->mutable_desired_patch(), ArgumentText(options.desired));
  return absl::OkStatus();
}

absl::Status FillPolicies(const JobCreateOptions& options, jobs_pb::Job& job) {
  if (!options.rollout.is_empty()) FLEETCAST_RETURN_IF_ERROR(ApplyRollout(options.rollout, *job.mutable_rollout()));
  jobs_pb::RetryPolicy retry;
  FLEETCAST_RETURN_IF_ERROR(ApplyRetry(options.retry, retry));
  if (!retry.criteria().empty()) *job.mutable_retry() = std::move(retry);
  if (options.priority.empty()) return absl::OkStatus();
  FLEETCAST_ASSIGN_OR_RETURN(const int32_t priority, ParsePriority(options.priority));
  job.set_priority(priority);
  return absl::OkStatus();
}

absl::StatusOr<jobs_pb::CreateJobRequest> MakeRequest(const JobCreateOptions& options) {
  jobs_pb::CreateJobRequest request;
  jobs_pb::Job& job = *request.mutable_job();
  job.set_id(options.id);
  FLEETCAST_ASSIGN_OR_RETURN(*job.mutable_condition(), ArgumentText(options.condition));
  FLEETCAST_RETURN_IF_ERROR(FillAction(options, job));
  if (!options.start.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const absl::Time start, ParseInstant("--start", options.start, absl::Now()));
    SetProto(start, job.mutable_start_time());
  }
  if (!options.timeout.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const absl::Duration span, ParseSpan("--timeout", options.timeout));
    SetProto(span, job.mutable_execution_timeout());
  }
  FLEETCAST_RETURN_IF_ERROR(FillPolicies(options, job));
  request.set_request_id(options.request_id);
  request.set_validate_only(options.dry_run);
  return request;
}

absl::Status CreateJob(Context& context, const JobCreateOptions& options) {
  FLEETCAST_ASSIGN_OR_RETURN(const jobs_pb::CreateJobRequest request, MakeRequest(options));
  if (options.watch) BlockInterrupts();
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectJobs(context));
  grpc::ClientContext call;
  context.Prepare(call);
  jobs_pb::CreateJobResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->CreateJob(&call, request, &response)));
  if (options.dry_run) {
    if (context.format() == Format::kTable) {
      std::fputs(DryRunText(response).c_str(), stdout);
    } else {
      context.PrintOne({}, DryRunRecord(response));
    }
    return absl::OkStatus();
  }
  if (options.watch) return WatchJob(context, options.id);
  context.PrintOne(JobFieldNames(), JobDetails(response.job()));
  return absl::OkStatus();
}

absl::Status RetryJob(Context& context, const RetryJobOptions& options) {
  jobs_pb::RetryJobRequest request;
  request.set_job_id(options.id);
  request.set_new_job_id(options.new_id);
  for (const std::string& word : options.states) {
    FLEETCAST_ASSIGN_OR_RETURN(const auto state,
                               ParseState<jobs_pb::Execution::State>(word, jobs_pb::Execution::State_Parse));
    request.add_states(state);
  }
  request.set_device_errors(options.device_errors);
  request.set_request_id(options.request_id);
  if (options.watch) BlockInterrupts();
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectJobs(context));
  grpc::ClientContext call;
  context.Prepare(call);
  jobs_pb::RetryJobResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->RetryJob(&call, request, &response)));
  if (options.watch) return WatchJob(context, options.new_id);
  context.PrintOne(JobFieldNames(), JobDetails(response.job()));
  return absl::OkStatus();
}

void AddActionOptions(CLI::App& create, JobCreateOptions& options) {
  create.add_option("-m,--method", options.method, "Call this direct method");
  create.add_option("-p,--payload", options.payload, "JSON for the method; @FILE reads a file");
  create.add_option("--tags", options.tags, "JSON object merged into the tags of each twin");
  create.add_option("--desired", options.desired, "JSON object merged into the desired properties of each twin");
  create.add_option("--response-timeout", options.response_timeout,
                    "How long a device may take to answer; default 30s");
  create.add_option("--connect-timeout", options.connect_timeout, "How long to wait for a device that is offline");
  create.add_flag("--wait-for-connection", options.wait_for_connection,
                  "Call devices that are offline when they connect, until --timeout");
}

}  // namespace

void AddCreateCommand(CLI::App& jobs, Context& context) {
  auto options = std::make_shared<JobCreateOptions>();
  CLI::App* const create =
      jobs.add_subcommand("create", "Schedule a job: one action on every device that a condition selects");
  create->add_option("id", options->id, "Name of the job; letters, digits and - _ . '")->required();
  create->add_option("-w,--where", options->condition, "Which devices; @FILE reads a file")->capture_default_str();
  AddActionOptions(*create, *options);
  create->add_option("--start", options->start, "When: 2026-03-01T12:00:00Z or +5m; default now");
  create->add_option("--timeout", options->timeout, "How long the job may run; default 1h");
  AddRolloutOptions(*create, options->rollout);
  AddRetryOptions(*create, options->retry);
  create->add_option("--priority", options->priority, "Its share among jobs that compete: 1 to 9; default 5")
      ->type_name("N");
  create->add_option("--request-id", options->request_id, "Makes the call safe to repeat");
  create->add_flag("-n,--dry-run", options->dry_run, "Store nothing; say how many devices match and are connected");
  create->add_flag("--watch", options->watch, "Then follow the job to its end");
  create->footer(
      "Examples:\n"
      "  fleetcast job create lock-1 --where \"tags.building = '43'\" --method lockDoor --payload "
      "'{\"zone\":\"north\"}'\n"
      "  fleetcast job create move-1 --where \"deviceId IN ['d1','d2']\" --tags '{\"floor\":\"3\"}' --watch\n"
      "  fleetcast job create lock-2 --method lockDoor --dry-run\n"
      "  fleetcast job create update-1 --method update --ramp 50,2,notified=1000 --rate-per-minute 3000 \\\n"
      "      --abort failed=5%,min=100 --abort device_error=2%,min=100\n"
      "  fleetcast job create read-1 --method read --retry timed_out=2 --retry not_online=5 --idempotent --backoff "
      "5s..2m\n"
      "  fleetcast job create wake-1 --method wake --wait-for-connection --timeout 24h");
  create->callback([&context, options] { context.Finish(CreateJob(context, *options)); });
}

void AddRetryCommand(CLI::App& jobs, Context& context) {
  auto options = std::make_shared<RetryJobOptions>();
  CLI::App* const retry =
      jobs.add_subcommand("retry", "Do an ended job again, as a new job, on the devices that did not succeed");
  retry->add_option("id", options->id, "The job that has ended")->required();
  retry->add_option("new-id", options->new_id, "Name of the new one")->required();
  retry
      ->add_option("-s,--state", options->states,
                   "Only devices that ended so: succeeded, failed, timed_out, canceled; default all but succeeded")
      ->delimiter(',');
  retry->add_flag("--device-errors", options->device_errors, "Also devices that answered with a status of 400 or more");
  retry->add_option("--request-id", options->request_id, "Makes the call safe to repeat");
  retry->add_flag("--watch", options->watch, "Then follow the new job to its end");
  retry->footer(
      "Examples:\n"
      "  fleetcast job retry lock-1 lock-1-again --watch\n"
      "  fleetcast job retry lock-1 lock-1-late --state timed_out --device-errors");
  retry->callback([&context, options] { context.Finish(RetryJob(context, *options)); });
}

}  // namespace fleetcast::cli
