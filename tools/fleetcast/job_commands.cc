#include <grpcpp/grpcpp.h>
#include <CLI/CLI.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "fleetcast/jobs/v1/job.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/arguments.h"
#include "tools/fleetcast/commands.h"
#include "tools/fleetcast/describe.h"
#include "tools/fleetcast/interrupt.h"
#include "tools/fleetcast/job_watch.h"

namespace fleetcast::cli {
namespace {

namespace pb = jobs::v1;

constexpr int kPageSize = 1000;

struct CreateOptions {
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
  std::string request_id;
  bool dry_run = false;
  bool watch = false;
};

struct ListOptions {
  std::string job_id;
  std::string device_id;
  std::vector<std::string> states;
  int limit = 100;
};

absl::StatusOr<std::unique_ptr<pb::JobService::Stub>> Connect(const Context& context) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, context.Jobs());
  return pb::JobService::NewStub(channel);
}

absl::Status FillAction(const CreateOptions& options, pb::Job& job) {
  const bool is_method = !options.method.empty();
  const bool is_twin = !options.tags.empty() || !options.desired.empty();
  if (is_method == is_twin) {
    return absl::InvalidArgumentError(
        "a job either calls a method or changes twins\ntry:   --method NAME, or --tags JSON and --desired JSON");
  }
  if (is_twin) {
    FLEETCAST_ASSIGN_OR_RETURN(*job.mutable_update_twin()->mutable_tags_patch(), ArgumentText(options.tags));
    FLEETCAST_ASSIGN_OR_RETURN(*job.mutable_update_twin()->mutable_desired_patch(), ArgumentText(options.desired));
    return absl::OkStatus();
  }
  pb::InvokeMethodAction& action = *job.mutable_invoke_method();
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
  return absl::OkStatus();
}

absl::StatusOr<pb::CreateJobRequest> MakeRequest(const CreateOptions& options) {
  pb::CreateJobRequest request;
  pb::Job& job = *request.mutable_job();
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
  request.set_request_id(options.request_id);
  request.set_validate_only(options.dry_run);
  return request;
}

// What --dry-run prints.
Record DryRunRecord(const pb::CreateJobResponse& response) {
  json::Array samples;
  for (const std::string& id : response.sample_device_ids()) samples.push_back(json::Value::String(id));
  json::Value object = json::Value::MakeObject();
  object.Set("matchingDevices", json::Value::Int(response.matching_devices()));
  object.Set("sampleDeviceIds", json::Value::MakeArray(std::move(samples)));
  return {std::move(object),
          {GroupDigits(response.matching_devices()), absl::StrJoin(response.sample_device_ids(), " ")}};
}

absl::Status CreateJob(Context& context, const CreateOptions& options) {
  FLEETCAST_ASSIGN_OR_RETURN(const pb::CreateJobRequest request, MakeRequest(options));
  if (options.watch) BlockInterrupts();
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, Connect(context));
  grpc::ClientContext call;
  context.Prepare(call);
  pb::CreateJobResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->CreateJob(&call, request, &response)));
  if (options.dry_run) {
    context.PrintOne({"matching devices", "for instance"}, DryRunRecord(response));
    return absl::OkStatus();
  }
  if (options.watch) return WatchJob(context, options.id);
  context.PrintOne(JobFieldNames(), JobDetails(response.job()));
  return absl::OkStatus();
}

absl::Status GetJob(Context& context, const std::string& id) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, Connect(context));
  grpc::ClientContext call;
  context.Prepare(call);
  pb::GetJobRequest request;
  request.set_job_id(id);
  pb::GetJobResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->GetJob(&call, request, &response)));
  context.PrintOne(JobFieldNames(), JobDetails(response.job()));
  return absl::OkStatus();
}

absl::Status CancelJob(Context& context, const std::string& id) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, Connect(context));
  grpc::ClientContext call;
  context.Prepare(call);
  pb::CancelJobRequest request;
  request.set_job_id(id);
  pb::CancelJobResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->CancelJob(&call, request, &response)));
  context.PrintOne(JobFieldNames(), JobDetails(response.job()));
  return absl::OkStatus();
}

// "timed_out" as the enum value STATE_TIMED_OUT; `Parse` is the generated parser.
template <typename State, typename Parser>
absl::StatusOr<State> ParseState(const std::string& word, Parser parse) {
  State state = {};
  if (parse(absl::StrCat("STATE_", absl::AsciiStrToUpper(word)), &state)) return state;
  return absl::InvalidArgumentError(absl::StrCat("--state: there is no state \"", word, "\"\ntry:   --state running"));
}

absl::Status ListJobs(Context& context, const ListOptions& options) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, Connect(context));
  pb::ListJobsRequest request;
  for (const std::string& word : options.states) {
    FLEETCAST_ASSIGN_OR_RETURN(const auto state, ParseState<pb::Job::State>(word, pb::Job::State_Parse));
    request.add_states(state);
  }
  std::vector<Record> records;
  do {
    request.set_page_size(std::min(kPageSize, options.limit - static_cast<int>(records.size())));
    grpc::ClientContext call;
    context.Prepare(call);
    pb::ListJobsResponse response;
    FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->ListJobs(&call, request, &response)));
    for (const pb::Job& job : response.jobs()) records.push_back(JobRecord(job));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && static_cast<int>(records.size()) < options.limit);
  context.Print(JobHeadings(), records);
  SayIfMore(request.page_token());
  return absl::OkStatus();
}

absl::Status ListExecutions(Context& context, const ListOptions& options) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, Connect(context));
  pb::ListExecutionsRequest request;
  request.set_job_id(options.job_id);
  request.set_device_id(options.device_id);
  for (const std::string& word : options.states) {
    FLEETCAST_ASSIGN_OR_RETURN(const auto state, ParseState<pb::Execution::State>(word, pb::Execution::State_Parse));
    request.add_states(state);
  }
  std::vector<Record> records;
  do {
    request.set_page_size(std::min(kPageSize, options.limit - static_cast<int>(records.size())));
    grpc::ClientContext call;
    context.Prepare(call);
    pb::ListExecutionsResponse response;
    FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->ListExecutions(&call, request, &response)));
    for (const pb::Execution& execution : response.executions()) records.push_back(ExecutionRecord(execution));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && static_cast<int>(records.size()) < options.limit);
  context.Print(ExecutionHeadings(), records);
  SayIfMore(request.page_token());
  return absl::OkStatus();
}

void AddCreate(CLI::App& jobs, Context& context) {
  auto options = std::make_shared<CreateOptions>();
  CLI::App* const create =
      jobs.add_subcommand("create", "Schedule a job: one action on every device that a condition selects");
  create->add_option("id", options->id, "Name of the job; letters, digits and - _ . '")->required();
  create->add_option("-w,--where", options->condition, "Which devices; @FILE reads a file")->capture_default_str();
  create->add_option("-m,--method", options->method, "Call this direct method");
  create->add_option("-p,--payload", options->payload, "JSON for the method; @FILE reads a file");
  create->add_option("--tags", options->tags, "JSON object merged into the tags of each twin");
  create->add_option("--desired", options->desired, "JSON object merged into the desired properties of each twin");
  create->add_option("--start", options->start, "When: 2026-03-01T12:00:00Z or +5m; default now");
  create->add_option("--timeout", options->timeout, "How long the job may run; default 1h");
  create->add_option("--response-timeout", options->response_timeout,
                     "How long a device may take to answer; default 30s");
  create->add_option("--connect-timeout", options->connect_timeout, "How long to wait for a device that is offline");
  create->add_option("--request-id", options->request_id, "Makes the call safe to repeat");
  create->add_flag("-n,--dry-run", options->dry_run, "Store nothing; say how many devices match");
  create->add_flag("--watch", options->watch, "Then follow the job to its end");
  create->footer(
      "Examples:\n"
      "  fleetcast job create lock-1 --where \"tags.building = '43'\" --method lockDoor --payload "
      "'{\"zone\":\"north\"}'\n"
      "  fleetcast job create move-1 --where \"deviceId IN ['d1','d2']\" --tags '{\"floor\":\"3\"}' --watch\n"
      "  fleetcast job create lock-2 --method lockDoor --dry-run");
  create->callback([&context, options] { context.Finish(CreateJob(context, *options)); });
}

// A command that takes the id of a job and nothing else.
void AddWithId(CLI::App& jobs, Context& context, const std::string& name, const std::string& description,
               const std::string& footer, absl::Status (*run)(Context&, const std::string&)) {
  auto id = std::make_shared<std::string>();
  CLI::App* const command = jobs.add_subcommand(name, description);
  command->add_option("id", *id, "The job")->required();
  command->footer(footer);
  command->callback([&context, id, run] { context.Finish(run(context, *id)); });
}

void AddLists(CLI::App& jobs, Context& context) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* const list = jobs.add_subcommand("list", "Jobs, newest first");
  list->add_option("-s,--state", options->states, "Only these: queued, scheduled, running, completed, …")
      ->delimiter(',');
  list->add_option("-l,--limit", options->limit, "At most so many")->check(CLI::PositiveNumber)->capture_default_str();
  list->footer("Examples:\n  fleetcast job list --state running\n  fleetcast job list -o jsonl --limit 1000");
  list->callback([&context, options] { context.Finish(ListJobs(context, *options)); });

  auto executions = std::make_shared<ListOptions>();
  CLI::App* const command = jobs.add_subcommand("executions", "How a job stands on each device");
  command->add_option("id", executions->job_id, "The job; not needed with --device");
  command->add_option("-d,--device", executions->device_id, "Only this device; without a job: all its jobs");
  command
      ->add_option("-s,--state", executions->states,
                   "Only these: pending, running, succeeded, failed, timed_out, canceled")
      ->delimiter(',');
  command->add_option("-l,--limit", executions->limit, "At most so many")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->footer(
      "Examples:\n  fleetcast job executions lock-1 --state failed,timed_out\n"
      "  fleetcast job executions --device d1");
  command->callback([&context, executions] { context.Finish(ListExecutions(context, *executions)); });
}

}  // namespace

void AddJobCommands(CLI::App& app, Context& context) {
  CLI::App* const jobs = app.add_subcommand("job", "Schedule actions over many devices and follow them");
  jobs->require_subcommand(1);
  AddCreate(*jobs, context);
  AddWithId(*jobs, context, "get", "One job with its counts", "Example:\n  fleetcast job get lock-1 -o json", GetJob);
  AddLists(*jobs, context);
  AddWithId(*jobs, context, "watch", "Follow a job to its end: a progress bar on a terminal, else JSON lines",
            "Exit code 4 when not every device succeeded. Ctrl-C leaves the job running.\n"
            "Example:\n  fleetcast job watch lock-1",
            WatchJob);
  AddWithId(*jobs, context, "cancel", "Stop a job: nothing new reaches a device afterwards",
            "Example:\n  fleetcast job cancel lock-1", CancelJob);
}

}  // namespace fleetcast::cli
