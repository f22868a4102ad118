#include "services/job_api/job_service.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/model/ids.h"
#include "libs/model/reasons.h"
#include "libs/rpc/run_on.h"
#include "libs/rpc/server_stream.h"
#include "libs/rpc/status.h"
#include "services/job_api/job_proto.h"
#include "services/job_api/job_validation.h"
#include "services/job_api/proto_time.h"

namespace fleetcast::job_api {
namespace {

constexpr int kPageSizeDefault = 100;
constexpr int kDryRunSample = 10;
constexpr absl::Duration kWatchReadLimit = absl::Seconds(5);
// A snapshot replaces the one before: there is no point in keeping many for a slow watcher.
constexpr rpc::OutboxLimits kWatchOutbox = {.messages_max = 2, .bytes_max = size_t{4} << 20};

absl::StatusOr<int> PageSize(int asked) {
  if (asked < 0) return rpc::InvalidFields({{"page_size", "must not be negative"}}, reasons::kInvalidValue);
  return asked == 0 ? kPageSizeDefault : std::min(asked, job_store::kPageSizeMax);
}

// The sorted numbers of an enum list, as a part of what a page token is bound to.
template <typename Enums>
std::string StatesKey(const Enums& states) {
  std::set<int> sorted(states.begin(), states.end());
  std::string key;
  for (const int state : sorted) absl::StrAppend(&key, state, ",");
  return key;
}

template <typename State, typename Enums>
absl::StatusOr<std::set<State>> ReadStates(const Enums& states, int last) {
  std::set<State> read;
  for (const int state : states) {
    if (state < 1 || state > last)
      return rpc::InvalidFields({{"states", "names a state that does not exist"}}, reasons::kInvalidValue);
    read.insert(static_cast<State>(state));
  }
  return read;
}

absl::StatusOr<std::optional<job_store::ActionKind>> ReadKind(jobs::v1::ActionKind kind) {
  if (kind == jobs::v1::ACTION_KIND_UNSPECIFIED) return std::nullopt;
  if (!jobs::v1::ActionKind_IsValid(kind)) {
    return rpc::InvalidFields({{"action_kind", "names a kind that does not exist"}}, reasons::kInvalidValue);
  }
  return static_cast<job_store::ActionKind>(kind);
}

// The number in a page token; nullopt for an empty token.
absl::StatusOr<std::optional<int64_t>> OpenToken(const PageTokens& tokens, const std::string& token,
                                                 const std::vector<std::string_view>& request) {
  if (token.empty()) return std::nullopt;
  FLEETCAST_ASSIGN_OR_RETURN(const std::string position, tokens.Open(token, request));
  int64_t number = 0;
  if (!absl::SimpleAtoi(position, &number)) {
    return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidPageToken,
                     "the page token is not one of ours");
  }
  return number;
}

// Feeds one WatchJob stream.
class StreamWatcher final : public Watcher {
 public:
  using Stream = rpc::ServerStream<jobs::v1::WatchJobResponse>;
  explicit StreamWatcher(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}

  Answer OnJob(const jobs::v1::Job& job) override {
    if (stream_->stop_token().stop_requested()) return Answer::kGone;
    jobs::v1::WatchJobResponse response;
    *response.mutable_job() = job;
    return stream_->TrySend(std::move(response)) ? Answer::kTaken : Answer::kBusy;
  }
  void OnEnd(const absl::Status& status) override { stream_->Close(status); }

 private:
  const std::shared_ptr<Stream> stream_;
};

}  // namespace

WatchHub::ReadJob NewJobReader(job_store::JobStore& store) {
  return [&store](const std::string& job_id) -> absl::StatusOr<jobs::v1::Job> {
    FLEETCAST_ASSIGN_OR_RETURN(const job_store::Job job, store.GetJob(absl::Now() + kWatchReadLimit, job_id));
    jobs::v1::Job message;
    ToProto(job, &message);
    return message;
  };
}

JobService::JobService(job_store::JobStore& store, TargetCounter& targets, WatchHub& watches, const PageTokens& tokens,
                       Clock& clock, WorkerPool& workers, WorkerPool& cancel_workers, JobServiceOptions options)
    : store_(store),
      targets_(targets),
      watches_(watches),
      tokens_(tokens),
      clock_(clock),
      workers_(workers),
      cancel_workers_(cancel_workers),
      options_(options) {}

grpc::ServerUnaryReactor* JobService::CreateJob(grpc::CallbackServerContext* context,
                                                const jobs::v1::CreateJobRequest* request,
                                                jobs::v1::CreateJobResponse* response) {
  return rpc::RunOn(workers_, context, [=, this](const rpc::Call& call) { return Create(call, *request, *response); });
}

absl::Status JobService::Create(const rpc::Call& call, const jobs::v1::CreateJobRequest& request,
                                jobs::v1::CreateJobResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(job_store::JobSpec spec, ValidateCreate(request, clock_.Now(), options_.start_horizon));
  if (request.validate_only()) return DryRun(call, spec, response);
  FLEETCAST_ASSIGN_OR_RETURN(const int64_t active, store_.CountActive(call.deadline));
  if (active >= options_.active_jobs_max) {
    return MakeError(absl::StatusCode::kResourceExhausted, reasons::kTooManyActiveJobs,
                     absl::StrCat("there are ", active, " unfinished jobs already"));
  }
  const std::string hash = RequestHash(spec);
  FLEETCAST_ASSIGN_OR_RETURN(
      const job_store::CreateResult result,
      store_.CreateJob(call.deadline,
                       {.spec = std::move(spec), .request_hash = hash, .request_id = request.request_id()}));
  ToProto(result.job, response.mutable_job());
  return absl::OkStatus();
}

absl::Status JobService::DryRun(const rpc::Call& call, const job_store::JobSpec& spec,
                                jobs::v1::CreateJobResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(Matches matches, targets_.Count(call, spec.condition, kDryRunSample));
  job_store::Job job;
  job.spec = spec;
  job.create_time = clock_.Now();
  ToProto(job, response.mutable_job());
  response.mutable_job()->set_state(jobs::v1::Job::STATE_UNSPECIFIED);  // Nothing was stored.
  response.set_matching_devices(matches.count);
  for (std::string& id : matches.sample) response.add_sample_device_ids(std::move(id));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* JobService::GetJob(grpc::CallbackServerContext* context,
                                             const jobs::v1::GetJobRequest* request,
                                             jobs::v1::GetJobResponse* response) {
  return rpc::RunOn(workers_, context, [=, this](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const job_store::Job job, store_.GetJob(call.deadline, request->job_id()));
    ToProto(job, response->mutable_job());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::ListJobs(grpc::CallbackServerContext* context,
                                               const jobs::v1::ListJobsRequest* request,
                                               jobs::v1::ListJobsResponse* response) {
  return rpc::RunOn(workers_, context, [=, this](const rpc::Call& call) { return List(call, *request, *response); });
}

absl::Status JobService::List(const rpc::Call& call, const jobs::v1::ListJobsRequest& request,
                              jobs::v1::ListJobsResponse& response) {
  const std::string kind_key = absl::StrCat(request.action_kind());
  const std::string states_key = StatesKey(request.states());
  const std::vector<std::string_view> bound = {"ListJobs", kind_key, states_key};
  job_store::ListJobsRequest list;
  FLEETCAST_ASSIGN_OR_RETURN(list.page_size, PageSize(request.page_size()));
  FLEETCAST_ASSIGN_OR_RETURN(list.kind, ReadKind(request.action_kind()));
  FLEETCAST_ASSIGN_OR_RETURN(list.states,
                             ReadStates<JobState>(request.states(), static_cast<int>(JobState::kCancelled)));
  FLEETCAST_ASSIGN_OR_RETURN(list.before_seq, OpenToken(tokens_, request.page_token(), bound));
  FLEETCAST_ASSIGN_OR_RETURN(const auto page, store_.ListJobs(call.deadline, list));
  for (const job_store::Job& job : page.entries) ToProto(job, response.add_jobs());
  if (page.next.has_value()) response.set_next_page_token(tokens_.Seal(absl::StrCat(*page.next), bound));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* JobService::CancelJob(grpc::CallbackServerContext* context,
                                                const jobs::v1::CancelJobRequest* request,
                                                jobs::v1::CancelJobResponse* response) {
  return rpc::RunOn(cancel_workers_, context,
                    [=, this](const rpc::Call& call) { return Cancel(call, *request, *response); });
}

absl::Status JobService::Cancel(const rpc::Call& call, const jobs::v1::CancelJobRequest& request,
                                jobs::v1::CancelJobResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(job_store::StopResult result,
                             store_.CancelJob(call.deadline, {.job_id = request.job_id(),
                                                              .drain = options_.cancel_drain,
                                                              .reject_running = request.reject_running()}));
  if (result.was_issuing) {
    // J10: the answer is a barrier. No intent can follow the commit, and every permit given before it has run out by
    // then.
    if (!clock_.Sleep(options_.permit_lifetime, call.stop))
      return absl::CancelledError("the caller has gone; the job is cancelled");
    FLEETCAST_ASSIGN_OR_RETURN(result.job, store_.GetJob(call.deadline, request.job_id()));
  }
  ToProto(result.job, response.mutable_job());
  return absl::OkStatus();
}

grpc::ServerWriteReactor<jobs::v1::WatchJobResponse>* JobService::WatchJob(grpc::CallbackServerContext* context,
                                                                           const jobs::v1::WatchJobRequest* request) {
  auto stream = StreamWatcher::Stream::Create(kWatchOutbox);
  auto* reactor = stream->Start(context);
  absl::Duration interval = request->has_min_interval() ? FromProto(request->min_interval()) : kWatchIntervalMin;
  interval = std::clamp(interval, kWatchIntervalMin, kWatchIntervalMax);
  const absl::Status watching = watches_.Watch(request->job_id(), interval, std::make_shared<StreamWatcher>(stream));
  if (!watching.ok()) stream->Close(watching);
  return reactor;
}

grpc::ServerUnaryReactor* JobService::GetExecution(grpc::CallbackServerContext* context,
                                                   const jobs::v1::GetExecutionRequest* request,
                                                   jobs::v1::GetExecutionResponse* response) {
  return rpc::RunOn(workers_, context, [=, this](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const job_store::Execution execution,
                               store_.GetExecution(call.deadline, request->job_id(), request->device_id()));
    ToProto(execution, response->mutable_execution());
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* JobService::ListExecutions(grpc::CallbackServerContext* context,
                                                     const jobs::v1::ListExecutionsRequest* request,
                                                     jobs::v1::ListExecutionsResponse* response) {
  return rpc::RunOn(workers_, context, [=, this](const rpc::Call& call) -> absl::Status {
    if (!request->job_id().empty() && !request->device_id().empty()) return ListOne(call, *request, *response);
    if (!request->job_id().empty()) return ListOfJob(call, *request, *response);
    if (!request->device_id().empty()) return ListOfDevice(call, *request, *response);
    return rpc::InvalidFields({{"job_id", "job_id or device_id is required"}}, reasons::kInvalidValue);
  });
}

absl::Status JobService::ListOfJob(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                                   jobs::v1::ListExecutionsResponse& response) {
  const std::string states_key = StatesKey(request.states());
  const std::vector<std::string_view> bound = {"ListExecutions/job", request.job_id(), states_key};
  job_store::ListExecutionsRequest list;
  list.job_id = request.job_id();
  FLEETCAST_RETURN_IF_ERROR(ReadKind(request.action_kind()).status());
  FLEETCAST_ASSIGN_OR_RETURN(list.page_size, PageSize(request.page_size()));
  FLEETCAST_ASSIGN_OR_RETURN(list.states,
                             ReadStates<ExecutionState>(request.states(), static_cast<int>(ExecutionState::kCanceled)));
  FLEETCAST_ASSIGN_OR_RETURN(list.after_n, OpenToken(tokens_, request.page_token(), bound));
  FLEETCAST_ASSIGN_OR_RETURN(const auto page, store_.ListExecutions(call.deadline, list));
  for (const job_store::Execution& execution : page.entries) {
    const auto kind = static_cast<jobs::v1::ActionKind>(execution.kind);
    if (request.action_kind() == jobs::v1::ACTION_KIND_UNSPECIFIED || request.action_kind() == kind) {
      ToProto(execution, response.add_executions());
    }
  }
  if (page.next.has_value()) response.set_next_page_token(tokens_.Seal(absl::StrCat(*page.next), bound));
  return absl::OkStatus();
}

absl::Status JobService::ListOfDevice(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                                      jobs::v1::ListExecutionsResponse& response) {
  const std::string states_key = StatesKey(request.states());
  const std::string kind_key = absl::StrCat(request.action_kind());
  const std::vector<std::string_view> bound = {"ListExecutions/device", request.device_id(), states_key, kind_key};
  job_store::ListDeviceExecutionsRequest list;
  list.device_id = request.device_id();
  FLEETCAST_ASSIGN_OR_RETURN(list.page_size, PageSize(request.page_size()));
  FLEETCAST_ASSIGN_OR_RETURN(list.kind, ReadKind(request.action_kind()));
  FLEETCAST_ASSIGN_OR_RETURN(list.states,
                             ReadStates<ExecutionState>(request.states(), static_cast<int>(ExecutionState::kCanceled)));
  FLEETCAST_ASSIGN_OR_RETURN(list.before_seq, OpenToken(tokens_, request.page_token(), bound));
  FLEETCAST_ASSIGN_OR_RETURN(const auto page, store_.ListExecutionsOfDevice(call.deadline, list));
  for (const job_store::Execution& execution : page.entries) ToProto(execution, response.add_executions());
  if (page.next.has_value()) response.set_next_page_token(tokens_.Seal(absl::StrCat(*page.next), bound));
  return absl::OkStatus();
}

absl::Status JobService::ListOne(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                                 jobs::v1::ListExecutionsResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto states,
                             ReadStates<ExecutionState>(request.states(), static_cast<int>(ExecutionState::kCanceled)));
  const absl::StatusOr<job_store::Execution> execution =
      store_.GetExecution(call.deadline, request.job_id(), request.device_id());
  if (!execution.ok() && GetReason(execution.status()) == reasons::kExecutionNotFound) return absl::OkStatus();
  FLEETCAST_RETURN_IF_ERROR(execution.status());
  if (states.empty() || states.contains(execution->state)) ToProto(*execution, response.add_executions());
  return absl::OkStatus();
}

}  // namespace fleetcast::job_api
