#include "tools/fleetcast/job_changes.h"

#include <grpcpp/grpcpp.h>
#include <CLI/CLI.hpp>

#include "libs/rpc/status.h"
#include "tools/fleetcast/describe_job.h"
#include "tools/fleetcast/job_stub.h"
#include "tools/fleetcast/rollout_arguments.h"

namespace fleetcast::cli {
namespace {

namespace jobs_pb = jobs::v1;
using JobStub = jobs_pb::JobService::Stub;

constexpr int kUpdateAttempts = 5;  // Against changes that come in between.

struct JobUpdateOptions {
  std::string id;
  RolloutOptions rollout;
  std::string priority;
};

// Asks for one job and gives it back.
template <typename Request, typename Response>
absl::StatusOr<jobs_pb::Job> Ask(const Context& context, JobStub& stub,
                                 grpc::Status (JobStub::*rpc)(grpc::ClientContext*, const Request&, Response*),
                                 const Request& request) {
  grpc::ClientContext call;
  context.Prepare(call);
  Response response;
  FLEETCAST_RETURN_IF_ERROR(rpc::FromGrpc((stub.*rpc)(&call, request, &response)));
  return std::move(*response.mutable_job());
}

// One of the RPCs that take the id of a job.
template <typename Request, typename Response>
absl::Status ChangeJob(Context& context, const Request& request,
                       grpc::Status (JobStub::*rpc)(grpc::ClientContext*, const Request&, Response*)) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectJobs(context));
  FLEETCAST_ASSIGN_OR_RETURN(const jobs_pb::Job job, Ask(context, *stub, rpc, request));
  context.PrintOne(JobFieldNames(), JobDetails(job));
  return absl::OkStatus();
}

// The change that `options` makes to `job` as it was read. A rollout is replaced as a whole, so what was not given is
// taken from there, and the etag makes sure that it still holds.
absl::StatusOr<jobs_pb::UpdateJobRequest> MakeUpdate(const JobUpdateOptions& options, const jobs_pb::Job& job) {
  jobs_pb::UpdateJobRequest request;
  request.mutable_job()->set_id(job.id());
  request.mutable_job()->set_etag(job.etag());
  if (!options.rollout.is_empty()) {
    *request.mutable_job()->mutable_rollout() = job.rollout();
    FLEETCAST_RETURN_IF_ERROR(ApplyRollout(options.rollout, *request.mutable_job()->mutable_rollout()));
    request.mutable_update_mask()->add_paths("rollout");
  }
  if (!options.priority.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const int32_t priority, ParsePriority(options.priority));
    request.mutable_job()->set_priority(priority);
    request.mutable_update_mask()->add_paths("priority");
  }
  if (!request.update_mask().paths().empty()) return request;
  return absl::InvalidArgumentError("nothing is to be changed\ntry:   --rate-per-minute 600, or --priority 9");
}

absl::Status UpdateJob(Context& context, const JobUpdateOptions& options) {
  FLEETCAST_RETURN_IF_ERROR(MakeUpdate(options, jobs_pb::Job()).status());  // Before anything is asked.
  FLEETCAST_ASSIGN_OR_RETURN(const auto stub, ConnectJobs(context));
  jobs_pb::GetJobRequest get;
  get.set_job_id(options.id);
  for (int attempt = 1;; ++attempt) {
    FLEETCAST_ASSIGN_OR_RETURN(const jobs_pb::Job before, Ask(context, *stub, &JobStub::GetJob, get));
    FLEETCAST_ASSIGN_OR_RETURN(const jobs_pb::UpdateJobRequest request, MakeUpdate(options, before));
    const absl::StatusOr<jobs_pb::Job> after = Ask(context, *stub, &JobStub::UpdateJob, request);
    if (absl::IsAborted(after.status()) && attempt < kUpdateAttempts) continue;
    FLEETCAST_RETURN_IF_ERROR(after.status());
    context.PrintOne(JobFieldNames(), JobDetails(*after));
    return absl::OkStatus();
  }
}

// Adds a command that sends `Request` with the id of a job. Gives the command and the request, for more options.
template <typename Request, typename Response>
std::pair<CLI::App*, std::shared_ptr<Request>> Add(CLI::App& jobs, Context& context, const std::string& name,
                                                   const std::string& description, const std::string& footer,
                                                   grpc::Status (JobStub::*rpc)(grpc::ClientContext*, const Request&,
                                                                                Response*)) {
  auto request = std::make_shared<Request>();
  CLI::App* const command = jobs.add_subcommand(name, description);
  command
      ->add_option_function<std::string>(
          "id", [request](const std::string& id) { request->set_job_id(id); }, "The job")
      ->required();
  command->footer(footer);
  command->callback([&context, request, rpc] { context.Finish(ChangeJob(context, *request, rpc)); });
  return {command, request};
}

void AddUpdate(CLI::App& jobs, Context& context) {
  auto options = std::make_shared<JobUpdateOptions>();
  CLI::App* const update = jobs.add_subcommand("update", "ChangeJob pace and priority of a job, also while it runs");
  update->add_option("id", options->id, "The job")->required();
  AddRolloutOptions(*update, options->rollout);
  update->add_option("--priority", options->priority, "Its share among jobs that compete: 1 to 9")->type_name("N");
  update->footer(
      "What is not named stays as it is. The new limits hold from the answer on.\n"
      "Examples:\n"
      "  fleetcast job update lock-1 --rate-per-minute 600\n"
      "  fleetcast job update lock-1 --rate-per-minute 0 --ramp none --priority 9\n"
      "  fleetcast job update lock-1 --abort failed=5%,min=100");
  update->callback([&context, options] { context.Finish(UpdateJob(context, *options)); });
}

}  // namespace

void AddChangeCommands(CLI::App& jobs, Context& context) {
  Add(jobs, context, "pause", "Hold a job: nothing new reaches a device until it is resumed",
      "Its execution time goes on. Example:\n  fleetcast job pause lock-1", &JobStub::PauseJob);
  Add(jobs, context, "resume", "Let a paused job go on", "Example:\n  fleetcast job resume lock-1",
      &JobStub::ResumeJob);
  AddUpdate(jobs, context);
  const auto [cancel, request] = Add(
      jobs, context, "cancel", "Stop a job for good: nothing new reaches a device afterwards",
      "Example:\n  fleetcast job cancel lock-1\n  fleetcast job cancel lock-1 --reject-running", &JobStub::CancelJob);
  cancel->add_flag_callback(
      "--reject-running", [request = request] { request->set_reject_running(true); },
      "Only when it has not started; else refuse, as IoT Hub does");
}

}  // namespace fleetcast::cli
