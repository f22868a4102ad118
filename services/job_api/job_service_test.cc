// The service over real gRPC, on a real database.
#include "services/job_api/job_service.h"

#include "absl/time/clock.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/schema.h"
#include "libs/rpc/server.h"
#include "libs/rpc/status.h"
#include "libs/testing/private_postgres.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/wait_for.h"
#include "services/job_api/watch_stream.h"

namespace fleetcast::job_api {
namespace {

using fleetcast::testing::IsOk;
using fleetcast::testing::PrivatePostgres;
using fleetcast::testing::Soon;
using fleetcast::testing::StatusIs;
using jobs::v1::Job;
using Code = absl::StatusCode;

constexpr absl::Duration kPermitLifetime = absl::Milliseconds(300);

class FixedTargets final : public TargetCounter {
 public:
  absl::StatusOr<Matches> Count(const rpc::Call&, const std::string&, int) override {
    return Matches{2, 1, {"a", "b"}};
  }
};

class JobServiceTest : public ::testing::Test {
 protected:
  JobServiceTest() {
    FLEETCAST_EXPECT_OK(postgres::Migrate(pool_, Soon(), job_store::kSchemaName, job_store::SchemaMigrations()));
    auto server = rpc::Server::Start({.listen = "127.0.0.1:0"},
                                     {{jobs::v1::JobService::service_full_name(), &service_}}, metrics_);
    FLEETCAST_EXPECT_OK(server);
    server_ = *std::move(server);
    stub_ = jobs::v1::JobService::NewStub(server_->InProcessChannel());
  }
  ~JobServiceTest() override {
    watches_.Stop();
    server_->Shutdown(absl::Seconds(5));
  }

  static jobs::v1::CreateJobRequest MethodJob(const std::string& id) {
    jobs::v1::CreateJobRequest request;
    request.mutable_job()->set_id(id);
    request.mutable_job()->set_condition("tags.building = '43'");
    request.mutable_job()->mutable_invoke_method()->set_method("lockDoor");
    request.mutable_job()->mutable_invoke_method()->set_payload(R"({"floor":3})");
    return request;
  }

  template <typename Request, typename Response>
  using Rpc = grpc::Status (jobs::v1::JobService::Stub::*)(grpc::ClientContext*, const Request&, Response*);

  template <typename Request, typename Response>
  absl::StatusOr<Response> Ask(Rpc<Request, Response> rpc, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(Soon()));
    Response response;
    const absl::Status status = rpc::FromGrpc((stub_.get()->*rpc)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  absl::StatusOr<jobs::v1::CreateJobResponse> Create(const jobs::v1::CreateJobRequest& request) {
    return Ask(&jobs::v1::JobService::Stub::CreateJob, request);
  }
  absl::StatusOr<jobs::v1::CancelJobResponse> Cancel(const std::string& id) {
    jobs::v1::CancelJobRequest request;
    request.set_job_id(id);
    return Ask(&jobs::v1::JobService::Stub::CancelJob, request);
  }
  absl::StatusOr<jobs::v1::ListExecutionsResponse> Executions(const jobs::v1::ListExecutionsRequest& request) {
    return Ask(&jobs::v1::JobService::Stub::ListExecutions, request);
  }

  // Plays the scheduler: creates the job and freezes it over these devices. Gives the lease of its only chunk.
  job_store::ChunkLease Run(const std::string& id, const std::vector<std::string>& devices) {
    FLEETCAST_EXPECT_OK(Create(MethodJob(id)));
    FLEETCAST_EXPECT_OK(store_.PromoteDue(Soon(), 10));
    auto resolve = store_.AcquireResolve(Soon(), "test", absl::Seconds(30));
    FLEETCAST_EXPECT_OK(resolve);
    FLEETCAST_EXPECT_OK(store_.AppendTargets(Soon(), **resolve, devices, absl::Seconds(30)));
    FLEETCAST_EXPECT_OK(store_.FinishResolve(Soon(), **resolve));
    auto chunks = store_.LeaseChunks(Soon(), {.owner = "test"});
    FLEETCAST_EXPECT_OK(chunks);
    return chunks->at(0).lease;
  }
  void Mark(const job_store::ChunkLease& lease, const job_store::PositionSet& positions) {
    FLEETCAST_EXPECT_OK(store_.MarkIssued(Soon(), std::vector<job_store::IssueRequest>{{lease, positions}}));
  }
  void Succeed(const job_store::ChunkLease& lease, int position) {
    job_store::Outcome outcome;
    outcome.lease = lease;
    outcome.position = position;
    outcome.state = ExecutionState::kSucceeded;
    outcome.device_status = 200;
    outcome.payload = R"({"locked":true})";
    outcome.start_time = outcome.end_time = absl::Now();
    FLEETCAST_EXPECT_OK(store_.RecordOutcomes(Soon(), std::vector<job_store::Outcome>{outcome}));
  }

  telemetry::Metrics metrics_;
  postgres::Pool pool_{
      {.connection_string = PrivatePostgres::Shared().NewDatabase(), .application_name = "job_api_test"}, metrics_};
  job_store::PostgresJobStore store_{pool_};
  FixedTargets targets_;
  WatchHub watches_{SystemClock(), NewJobReader(store_), metrics_};
  const PageTokens tokens_{"0123456789abcdef"};
  WorkerPool workers_{4, 100};
  WorkerPool change_workers_{2, 100};
  JobService service_{store_,
                      targets_,
                      watches_,
                      tokens_,
                      SystemClock(),
                      workers_,
                      change_workers_,
                      {.creation = {.start_horizon = absl::Hours(168), .active_jobs_max = 5},
                       .change = {.permit_lifetime = kPermitLifetime, .cancel_drain = absl::Minutes(1)}}};
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<jobs::v1::JobService::Stub> stub_;
};

TEST_F(JobServiceTest, CreatesAndReads) {
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto created, Create(MethodJob("job-1")));
  EXPECT_EQ(created.job().state(), Job::STATE_QUEUED);
  EXPECT_FALSE(created.job().has_statistics());
  jobs::v1::GetJobRequest get;
  get.set_job_id("job-1");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto read, Ask(&jobs::v1::JobService::Stub::GetJob, get));
  EXPECT_EQ(read.job().SerializeAsString(), created.job().SerializeAsString());
  EXPECT_EQ(read.job().invoke_method().response_timeout().seconds(), 30);
  EXPECT_EQ(read.job().execution_timeout().seconds(), 3600);
}

TEST_F(JobServiceTest, ErrorsHaveReasons) {
  FLEETCAST_ASSERT_OK(Create(MethodJob("job-1")));
  FLEETCAST_EXPECT_OK(Create(MethodJob("job-1"))) << "the same request again";
  jobs::v1::CreateJobRequest other = MethodJob("job-1");
  other.mutable_job()->set_condition("*");
  EXPECT_THAT(Create(other), StatusIs(Code::kAlreadyExists, "JOB_ALREADY_EXISTS"));
  EXPECT_THAT(Create(MethodJob("not a job id")), StatusIs(Code::kInvalidArgument, "INVALID_JOB_ID"));
  EXPECT_THAT(Cancel("nope"), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
  jobs::v1::ListExecutionsRequest nothing;
  EXPECT_THAT(Executions(nothing), StatusIs(Code::kInvalidArgument));
}

TEST_F(JobServiceTest, ABadConditionIsRefusedUnlessItIsToBeAccepted) {
  jobs::v1::CreateJobRequest request = MethodJob("job-1");
  request.mutable_job()->set_condition("SELECT deviceId FROM devices");
  EXPECT_THAT(Create(request), StatusIs(Code::kInvalidArgument, "INVALID_CONDITION"));
  request.set_accept_invalid_condition(true);
  FLEETCAST_EXPECT_OK(Create(request));
}

TEST_F(JobServiceTest, ADryRunCountsAndStoresNothing) {
  jobs::v1::CreateJobRequest request = MethodJob("job-1");
  request.set_validate_only(true);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto response, Create(request));
  EXPECT_EQ(response.matching_devices(), 2);
  EXPECT_EQ(response.connected_devices(), 1);
  EXPECT_THAT(Cancel("job-1"), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
}

TEST_F(JobServiceTest, RefusesMoreUnfinishedJobsThanAllowed) {
  for (const char* id : {"1", "2", "3", "4", "5"}) FLEETCAST_ASSERT_OK(Create(MethodJob(id)));
  EXPECT_THAT(Create(MethodJob("6")), StatusIs(Code::kResourceExhausted, "TOO_MANY_ACTIVE_JOBS"));
  FLEETCAST_ASSERT_OK(Cancel("1"));
  FLEETCAST_EXPECT_OK(Create(MethodJob("6")));
}

TEST_F(JobServiceTest, ARepeatIsAnsweredWhenNoMoreJobsAreAllowed) {
  jobs::v1::CreateJobRequest request = MethodJob("1");
  request.set_request_id("r");
  FLEETCAST_ASSERT_OK(Create(request));
  for (const char* id : {"2", "3", "4", "5"}) FLEETCAST_ASSERT_OK(Create(MethodJob(id)));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto repeated, Create(request));
  EXPECT_EQ(repeated.job().id(), "1");
  FLEETCAST_EXPECT_OK(Create(MethodJob("2")));
  jobs::v1::CreateJobRequest other = MethodJob("2");
  other.mutable_job()->mutable_invoke_method()->set_method("other");
  EXPECT_THAT(Create(other), StatusIs(Code::kAlreadyExists, "JOB_ALREADY_EXISTS"));
}

TEST_F(JobServiceTest, PagesAreBoundToTheirRequest) {
  for (const char* id : {"1", "2", "3"}) FLEETCAST_ASSERT_OK(Create(MethodJob(id)));
  jobs::v1::ListJobsRequest list;
  list.set_page_size(2);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto first, Ask(&jobs::v1::JobService::Stub::ListJobs, list));
  ASSERT_EQ(first.jobs_size(), 2);
  EXPECT_EQ(first.jobs(0).id(), "3");
  list.set_page_token(first.next_page_token());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto second, Ask(&jobs::v1::JobService::Stub::ListJobs, list));
  ASSERT_EQ(second.jobs_size(), 1);
  EXPECT_EQ(second.next_page_token(), "");
  list.add_states(Job::STATE_RUNNING);
  EXPECT_THAT(Ask(&jobs::v1::JobService::Stub::ListJobs, list), StatusIs(Code::kInvalidArgument, "INVALID_PAGE_TOKEN"));
}

TEST_F(JobServiceTest, CancelAnswersWhenPermitsHaveRunOut) {
  const job_store::ChunkLease lease = Run("job-1", {"a", "b", "c"});
  Mark(lease, {0});
  const absl::Time start = absl::Now();
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto response, Cancel("job-1"));
  EXPECT_GE(absl::Now() - start, kPermitLifetime);
  EXPECT_EQ(response.job().state(), Job::STATE_CANCELLING);
  EXPECT_EQ(response.job().statistics().running(), 1);
  EXPECT_EQ(response.job().statistics().canceled(), 2);
  Succeed(lease, 0);
  EXPECT_THAT(Cancel("job-1"), StatusIs(Code::kFailedPrecondition, "JOB_FINISHED"));
}

TEST_F(JobServiceTest, PausesResumesAndChangesAJob) {
  const job_store::ChunkLease lease = Run("job-1", {"a", "b", "c"});
  Mark(lease, {0});
  jobs::v1::PauseJobRequest pause;
  pause.set_job_id("job-1");
  const absl::Time start = absl::Now();
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto paused, Ask(&jobs::v1::JobService::Stub::PauseJob, pause));
  EXPECT_GE(absl::Now() - start, kPermitLifetime);
  EXPECT_EQ(paused.job().state(), Job::STATE_RUNNING);
  EXPECT_TRUE(paused.job().has_pause_time());

  jobs::v1::UpdateJobRequest update;
  update.mutable_job()->set_id("job-1");
  update.mutable_job()->set_priority(9);
  update.mutable_job()->mutable_rollout()->set_maximum_per_minute(600);
  update.mutable_update_mask()->add_paths("priority");
  update.mutable_update_mask()->add_paths("rollout");
  update.mutable_job()->set_etag("999");
  EXPECT_THAT(Ask(&jobs::v1::JobService::Stub::UpdateJob, update), StatusIs(Code::kAborted, "ETAG_MISMATCH"));
  update.mutable_job()->set_etag(paused.job().etag());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto updated, Ask(&jobs::v1::JobService::Stub::UpdateJob, update));
  EXPECT_EQ(updated.job().priority(), 9);
  EXPECT_EQ(updated.job().rollout().maximum_per_minute(), 600);

  jobs::v1::ResumeJobRequest resume;
  resume.set_job_id("job-1");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto resumed, Ask(&jobs::v1::JobService::Stub::ResumeJob, resume));
  EXPECT_FALSE(resumed.job().has_pause_time());
  EXPECT_EQ(resumed.job().rollout().maximum_per_minute(), 600);
}

TEST_F(JobServiceTest, WhatAJobAsksForIsReadAsItWasWritten) {
  jobs::v1::CreateJobRequest request = MethodJob("job-1");
  Job& job = *request.mutable_job();
  job.mutable_invoke_method()->set_offline_policy(jobs::v1::InvokeMethodAction::OFFLINE_POLICY_WAIT);
  job.mutable_rollout()->set_maximum_per_minute(600);
  job.mutable_rollout()->mutable_exponential_rate()->set_base_rate_per_minute(50);
  job.mutable_rollout()->mutable_exponential_rate()->set_increment_factor(1.1);
  job.mutable_rollout()->mutable_exponential_rate()->set_number_of_succeeded_devices(10);
  job.mutable_rollout()->set_in_flight_max(20);
  jobs::v1::AbortCriterion& abort = *job.mutable_rollout()->add_abort_criteria();
  abort.set_failure_type(jobs::v1::FAILURE_TYPE_TIMED_OUT);
  abort.set_threshold_percentage(2.5);
  abort.set_min_number_of_executed_devices(100);
  jobs::v1::RetryPolicy& retry = *job.mutable_retry();
  retry.set_idempotent(true);
  retry.add_criteria()->set_failure_type(jobs::v1::FAILURE_TYPE_ALL);
  retry.mutable_criteria(0)->set_number_of_retries(3);
  retry.mutable_backoff_min()->set_seconds(2);
  retry.mutable_backoff_max()->set_seconds(60);
  job.set_priority(7);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto created, Create(request));
  EXPECT_EQ(created.job().rollout().SerializeAsString(), job.rollout().SerializeAsString());
  EXPECT_EQ(created.job().retry().SerializeAsString(), job.retry().SerializeAsString());
  EXPECT_EQ(created.job().priority(), 7);
  EXPECT_EQ(created.job().invoke_method().offline_policy(), job.invoke_method().offline_policy());
  FLEETCAST_EXPECT_OK(Create(request)) << "the same request again";
  job.set_priority(8);
  EXPECT_THAT(Create(request), StatusIs(Code::kAlreadyExists, "JOB_ALREADY_EXISTS"));
}

TEST_F(JobServiceTest, RetriesAnEndedJobAsANewOne) {
  const job_store::ChunkLease lease = Run("job-1", {"a", "b"});
  jobs::v1::RetryJobRequest retry;
  retry.set_job_id("job-1");
  retry.set_new_job_id("job-2");
  EXPECT_THAT(Ask(&jobs::v1::JobService::Stub::RetryJob, retry),
              StatusIs(Code::kFailedPrecondition, "JOB_NOT_IN_STATE"));
  Succeed(lease, 0);
  FLEETCAST_ASSERT_OK(Cancel("job-1"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto created, Ask(&jobs::v1::JobService::Stub::RetryJob, retry));
  EXPECT_EQ(created.job().retried_job_id(), "job-1");
  EXPECT_EQ(created.job().invoke_method().method(), "lockDoor");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(
      const auto targets,
      store_.ListRetriedTargets(Soon(), {.retried = {"job-1", {ExecutionState::kCanceled}, false}}));
  EXPECT_EQ(targets, std::vector<std::string>{"b"});
}

TEST_F(JobServiceTest, ARunningJobIsNotCancelledWhenThatIsToBeRejected) {
  Mark(Run("job-1", {"a", "b"}), {0});
  jobs::v1::CancelJobRequest request;
  request.set_job_id("job-1");
  request.set_reject_running(true);
  EXPECT_THAT(Ask(&jobs::v1::JobService::Stub::CancelJob, request), StatusIs(Code::kFailedPrecondition, "JOB_RUNNING"));
  FLEETCAST_ASSERT_OK(Create(MethodJob("job-2")));
  request.set_job_id("job-2");
  FLEETCAST_EXPECT_OK(Ask(&jobs::v1::JobService::Stub::CancelJob, request));
}

TEST_F(JobServiceTest, ListsExecutionsByJobByDeviceAndByBoth) {
  const job_store::ChunkLease lease = Run("job-1", {"a", "b", "c"});
  Mark(lease, {0, 1});
  Succeed(lease, 0);

  jobs::v1::ListExecutionsRequest request;
  request.set_job_id("job-1");
  request.set_page_size(2);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto first, Executions(request));
  ASSERT_EQ(first.executions_size(), 2);
  EXPECT_EQ(first.executions(0).device_id(), "a");
  EXPECT_EQ(first.executions(0).state(), jobs::v1::Execution::STATE_SUCCEEDED);
  EXPECT_EQ(first.executions(0).device_status(), 200);
  EXPECT_EQ(first.executions(0).payload(), R"({"locked":true})");
  EXPECT_EQ(first.executions(1).state(), jobs::v1::Execution::STATE_RUNNING);
  request.set_page_token(first.next_page_token());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto second, Executions(request));
  ASSERT_EQ(second.executions_size(), 1);
  EXPECT_EQ(second.executions(0).state(), jobs::v1::Execution::STATE_PENDING);

  jobs::v1::ListExecutionsRequest of_device;
  of_device.set_device_id("b");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto device, Executions(of_device));
  ASSERT_EQ(device.executions_size(), 1);
  EXPECT_EQ(device.executions(0).job_id(), "job-1");

  of_device.set_job_id("job-1");
  of_device.add_states(jobs::v1::Execution::STATE_FAILED);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto none, Executions(of_device));
  EXPECT_EQ(none.executions_size(), 0);
}

TEST_F(JobServiceTest, AWatchShowsEveryStepToTheEnd) {
  const job_store::ChunkLease lease = Run("job-1", {"a", "b"});
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(Soon()));
  jobs::v1::WatchJobRequest request;
  request.set_job_id("job-1");
  auto stream = stub_->WatchJob(&context, request);
  jobs::v1::WatchJobResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.job().state(), Job::STATE_RUNNING);
  EXPECT_EQ(response.job().statistics().pending(), 2);
  Succeed(lease, 0);
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_FALSE(response.has_job());
  EXPECT_EQ(response.delta().statistics().succeeded(), 1);
  Succeed(lease, 1);
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.delta().state(), Job::STATE_COMPLETED);
  EXPECT_FALSE(stream->Read(&response));
  FLEETCAST_EXPECT_OK(rpc::FromGrpc(stream->Finish()));
}

TEST_F(JobServiceTest, AWatchGoesOnWhereItsTokenWasGiven) {
  const job_store::ChunkLease lease = Run("job-1", {"a", "b"});
  jobs::v1::WatchJobRequest request;
  request.set_job_id("job-1");
  jobs::v1::WatchJobResponse response;
  {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(Soon()));
    auto stream = stub_->WatchJob(&context, request);
    ASSERT_TRUE(stream->Read(&response));
    context.TryCancel();
    EXPECT_THAT(rpc::FromGrpc(stream->Finish()), StatusIs(Code::kCancelled));
  }
  request.set_resume_token(response.resume_token());
  Succeed(lease, 0);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(Soon()));
  auto stream = stub_->WatchJob(&context, request);
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_FALSE(response.has_job());
  EXPECT_EQ(response.delta().statistics().succeeded(), 1);
  Succeed(lease, 1);
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.delta().state(), Job::STATE_COMPLETED);
  EXPECT_FALSE(stream->Read(&response));
  FLEETCAST_EXPECT_OK(rpc::FromGrpc(stream->Finish()));
}

TEST_F(JobServiceTest, AWatchOfAnUnknownJobEndsWithNotFound) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(Soon()));
  jobs::v1::WatchJobRequest request;
  request.set_job_id("nope");
  auto stream = stub_->WatchJob(&context, request);
  jobs::v1::WatchJobResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(rpc::FromGrpc(stream->Finish()), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
}

}  // namespace
}  // namespace fleetcast::job_api
