#include <grpcpp/grpcpp.h>
#include <CLI/CLI.hpp>

#include "libs/rpc/status.h"
#include "tools/fleetcast/commands.h"
#include "tools/fleetcast/describe_job.h"
#include "tools/fleetcast/job_changes.h"
#include "tools/fleetcast/job_create.h"
#include "tools/fleetcast/job_stub.h"
#include "tools/fleetcast/job_watch.h"

namespace fleetcast::cli {
namespace {

namespace jobs_pb = jobs::v1;

struct JobListOptions {
  std::string job_id;
  std::string device_id;
  std::vector<std::string> states;
  int limit = 100;
};

absl::Status GetJob(Context& context, const std::string& id) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectJobs(context));
  grpc::ClientContext call;
  context.Prepare(call);
  jobs_pb::GetJobRequest request;
  request.set_job_id(id);
  jobs_pb::GetJobResponse response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->GetJob(&call, request, &response)));
  context.PrintOne(JobFieldNames(), JobDetails(response.job()));
  return absl::OkStatus();
}

absl::Status ListJobs(Context& context, const JobListOptions& options) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectJobs(context));
  jobs_pb::ListJobsRequest request;
  for (const std::string& word : options.states) {
    FLEETCAST_ASSIGN_OR_RETURN(const auto state, ParseState<jobs_pb::Job::State>(word, jobs_pb::Job::State_Parse));
    request.add_states(state);
  }
  std::vector<Record> records;
  do {
    request.set_page_size(std::min(kPageSize, options.limit - static_cast<int>(records.size())));
    grpc::ClientContext call;
    context.Prepare(call);
    jobs_pb::ListJobsResponse response;
    FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->ListJobs(&call, request, &response)));
    for (const jobs_pb::Job& job : response.jobs()) records.push_back(JobRecord(job));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && static_cast<int>(records.size()) < options.limit);
  context.Print(JobHeadings(), records);
  SayIfMore(request.page_token());
  return absl::OkStatus();
}

absl::Status ListExecutions(Context& context, const JobListOptions& options) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectJobs(context));
  jobs_pb::ListExecutionsRequest request;
  request.set_job_id(options.job_id);
  request.set_device_id(options.device_id);
  for (const std::string& word : options.states) {
    FLEETCAST_ASSIGN_OR_RETURN(const auto state,
                               ParseState<jobs_pb::Execution::State>(word, jobs_pb::Execution::State_Parse));
    request.add_states(state);
  }
  std::vector<Record> records;
  do {
    request.set_page_size(std::min(kPageSize, options.limit - static_cast<int>(records.size())));
    grpc::ClientContext call;
    context.Prepare(call);
    jobs_pb::ListExecutionsResponse response;
    FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc(stub->ListExecutions(&call, request, &response)));
    for (const jobs_pb::Execution& execution : response.executions()) records.push_back(ExecutionRecord(execution));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && static_cast<int>(records.size()) < options.limit);
  context.Print(ExecutionHeadings(), records);
  SayIfMore(request.page_token());
  return absl::OkStatus();
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
  auto options = std::make_shared<JobListOptions>();
  CLI::App* const list = jobs.add_subcommand("list", "Jobs, newest first");
  list->add_option("-s,--state", options->states, "Only these: queued, scheduled, running, completed, …")
      ->delimiter(',');
  list->add_option("-l,--limit", options->limit, "At most so many")
      ->check(CLI::Range(1, 1'000'000'000))
      ->capture_default_str();
  list->footer("Examples:\n  fleetcast job list --state running\n  fleetcast job list -o jsonl --limit 1000");
  list->callback([&context, options] { context.Finish(ListJobs(context, *options)); });

  auto executions = std::make_shared<JobListOptions>();
  CLI::App* const command = jobs.add_subcommand("executions", "How a job stands on each device");
  command->add_option("id", executions->job_id, "The job; not needed with --device");
  command->add_option("-d,--device", executions->device_id, "Only this device; without a job: all its jobs");
  command
      ->add_option("-s,--state", executions->states,
                   "Only these: pending, running, succeeded, failed, timed_out, canceled")
      ->delimiter(',');
  command->add_option("-l,--limit", executions->limit, "At most so many")
      ->check(CLI::Range(1, 1'000'000'000))
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
  AddCreateCommand(*jobs, context);
  AddWithId(*jobs, context, "get", "One job with its counts", "Example:\n  fleetcast job get lock-1 -o json", GetJob);
  AddLists(*jobs, context);
  AddWithId(*jobs, context, "watch", "Follow a job to its end: a progress bar on a terminal, else JSON lines",
            "Exit code 4 when not every device succeeded. Ctrl-C leaves the job running.\n"
            "Example:\n  fleetcast job watch lock-1",
            WatchJob);
  AddChangeCommands(*jobs, context);
  AddRetryCommand(*jobs, context);
}

}  // namespace fleetcast::cli
