#include "services/job_api/job_changes.h"

#include <gmock/gmock.h>

#include <functional>
#include <future>

#include "libs/job_store/memory_job_store.h"
#include "libs/testing/sim_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/wait_for.h"
#include "services/job_api/job_creation.h"

namespace fleetcast::job_api {
namespace {

using fleetcast::testing::IsOk;
using fleetcast::testing::StatusIs;
using jobs::v1::Job;
using Code = absl::StatusCode;

constexpr absl::Duration kPermitLifetime = absl::Seconds(1);

class NoTargets final : public TargetCounter {
 public:
  absl::StatusOr<Matches> Count(const rpc::Call&, const std::string&, int) override { return Matches(); }
};

// A store in memory, and a clock that stands still: whoever waits for permits waits until the test moves it.
class JobChangesTest : public ::testing::Test {
 protected:
  // A job that runs on devices a, b and c; the first `issued` of them have been sent to.
  void Run(const std::string& id, int issued) {
    jobs::v1::CreateJobRequest request;
    request.mutable_job()->set_id(id);
    request.mutable_job()->set_condition("*");
    request.mutable_job()->mutable_invoke_method()->set_method("lockDoor");
    jobs::v1::CreateJobResponse response;
    ASSERT_THAT(creation_.Create(call_, request, response), IsOk());
    ASSERT_THAT(store_.PromoteDue(deadline_, 10), IsOk());
    auto resolve = store_.AcquireResolve(deadline_, "test", absl::Seconds(30));
    ASSERT_THAT(resolve, IsOk());
    const std::vector<std::string> devices = {"a", "b", "c"};
    ASSERT_THAT(store_.AppendTargets(deadline_, **resolve, devices, absl::Seconds(30)), IsOk());
    ASSERT_THAT(store_.FinishResolve(deadline_, **resolve), IsOk());
    const auto chunks = store_.LeaseChunks(deadline_, {.owner = "test"});
    ASSERT_THAT(chunks, IsOk());
    lease_ = chunks->at(0).lease;
    EXPECT_TRUE(issued == 0 || Issue(job_store::PositionSet::FirstN(issued)));
  }

  // What the owner of the chunk may still do.
  bool Issue(const job_store::PositionSet& positions) {
    return store_.MarkIssued(deadline_, std::vector<job_store::IssueRequest>{{lease_, positions}})->at(0);
  }

  absl::StatusOr<Job> Cancel(const std::string& id, bool reject_running = false) {
    jobs::v1::CancelJobRequest request;
    request.set_job_id(id);
    request.set_reject_running(reject_running);
    return Ask<jobs::v1::CancelJobResponse>(&JobChanges::Cancel, request);
  }
  absl::StatusOr<Job> Pause(const std::string& id) {
    jobs::v1::PauseJobRequest request;
    request.set_job_id(id);
    return Ask<jobs::v1::PauseJobResponse>(&JobChanges::Pause, request);
  }
  absl::StatusOr<Job> Resume(const std::string& id) {
    jobs::v1::ResumeJobRequest request;
    request.set_job_id(id);
    return Ask<jobs::v1::ResumeJobResponse>(&JobChanges::Resume, request);
  }
  absl::StatusOr<Job> Update(const std::string& id, int rate, const std::string& etag = "") {
    jobs::v1::UpdateJobRequest request;
    request.mutable_job()->set_id(id);
    request.mutable_job()->set_etag(etag);
    request.mutable_job()->mutable_rollout()->set_maximum_per_minute(rate);
    request.mutable_update_mask()->add_paths("rollout");
    return Ask<jobs::v1::UpdateJobResponse>(&JobChanges::Update, request);
  }

  template <typename Response, typename Request>
  absl::StatusOr<Job> Ask(absl::Status (JobChanges::*rpc)(const rpc::Call&, const Request&, Response&),
                          const Request& request) {
    Response response;
    const absl::Status status = (changes_.*rpc)(call_, request, response);
    if (!status.ok()) return status;
    return response.job();
  }

  // Expects that `change` answers when permits have run out, and not before.
  Job ExpectBarrier(const std::function<absl::StatusOr<Job>()>& change) {
    auto answer = std::async(std::launch::async, change);
    EXPECT_TRUE(testing::WaitFor([&] { return clock_.sleepers() == 1; }));
    clock_.Advance(kPermitLifetime - absl::Nanoseconds(1));
    EXPECT_EQ(clock_.sleepers(), 1);
    clock_.Advance(absl::Nanoseconds(1));
    const absl::StatusOr<Job> job = answer.get();
    EXPECT_THAT(job, IsOk());
    return job.value_or(Job());
  }

  const absl::Time deadline_ = absl::InfiniteFuture();
  std::stop_source stop_;
  const rpc::Call call_{deadline_, stop_.get_token()};
  testing::SimClock clock_;
  NoTargets targets_;
  job_store::MemoryJobStore store_{clock_};
  JobCreation creation_{store_, targets_, clock_, {.start_horizon = absl::Hours(168), .active_jobs_max = 100}};
  JobChanges changes_{store_, clock_, {.permit_lifetime = kPermitLifetime, .cancel_drain = absl::Minutes(1)}};
  job_store::ChunkLease lease_;
};

TEST_F(JobChangesTest, PauseIsABarrierWhenSomethingMayBeUnderWay) {
  Run("j", 1);
  const Job job = ExpectBarrier([&] { return Pause("j"); });
  EXPECT_TRUE(job.has_pause_time());
  EXPECT_EQ(job.state(), Job::STATE_RUNNING);
  EXPECT_FALSE(Issue({1}));
}

TEST_F(JobChangesTest, CancelIsABarrierWhenSomethingMayBeUnderWay) {
  Run("j", 1);
  EXPECT_EQ(ExpectBarrier([&] { return Cancel("j"); }).state(), Job::STATE_CANCELLING);
  EXPECT_FALSE(Issue({1}));
}

TEST_F(JobChangesTest, UpdateIsABarrierWhenSomethingMayBeUnderWay) {
  Run("j", 1);
  EXPECT_EQ(ExpectBarrier([&] { return Update("j", 600); }).rollout().maximum_per_minute(), 600);
  EXPECT_FALSE(Issue({1}));  // Whoever works on it must read the new limits first.
}

TEST_F(JobChangesTest, NothingIsWaitedForWhenNothingIsUnderWay) {
  Run("j", 0);
  EXPECT_THAT(Update("j", 600), IsOk());
  EXPECT_THAT(Pause("j"), IsOk());
  EXPECT_THAT(Cancel("j"), IsOk());
}

TEST_F(JobChangesTest, ACallerThatHasGoneDoesNotUndoTheChange) {
  Run("j", 1);
  stop_.request_stop();
  EXPECT_THAT(Pause("j"), StatusIs(Code::kCancelled));
  EXPECT_TRUE(store_.GetJob(deadline_, "j")->pause_time.has_value());
}

TEST_F(JobChangesTest, ResumeLetsAPausedJobGoOnAndLeavesOthersAlone) {
  Run("j", 0);
  ASSERT_THAT(Pause("j"), IsOk());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Job resumed, Resume("j"));
  EXPECT_FALSE(resumed.has_pause_time());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Job again, Resume("j"));
  EXPECT_EQ(again.etag(), resumed.etag());
}

TEST_F(JobChangesTest, AnUpdateNeedsTheEtagThatItNames) {
  Run("j", 0);
  const std::string etag = Pause("j")->etag();
  EXPECT_THAT(Update("j", 600, "999"), StatusIs(Code::kAborted, "ETAG_MISMATCH"));
  EXPECT_THAT(Update("j", 600, "not ours"), StatusIs(Code::kAborted, "ETAG_MISMATCH"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Job job, Update("j", 600, etag));
  EXPECT_NE(job.etag(), etag);
}

TEST_F(JobChangesTest, ARunningJobIsNotCancelledWhenThatIsToBeRejected) {
  Run("j", 1);
  EXPECT_THAT(Cancel("j", true), StatusIs(Code::kFailedPrecondition, "JOB_RUNNING"));
  EXPECT_TRUE(Issue({1}));
}

TEST_F(JobChangesTest, EndedAndUnknownJobsAreRefused) {
  Run("j", 0);
  ASSERT_THAT(Cancel("j"), IsOk());
  EXPECT_THAT(Pause("j"), StatusIs(Code::kFailedPrecondition, "JOB_FINISHED"));
  EXPECT_THAT(Resume("j"), StatusIs(Code::kFailedPrecondition, "JOB_FINISHED"));
  EXPECT_THAT(Update("j", 600), StatusIs(Code::kFailedPrecondition, "JOB_FINISHED"));
  EXPECT_THAT(Cancel("j", true), StatusIs(Code::kFailedPrecondition, "JOB_FINISHED"));
  EXPECT_THAT(Pause("nope"), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
  EXPECT_THAT(Resume("nope"), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
  EXPECT_THAT(Update("nope", 600), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
}

TEST_F(JobChangesTest, ARetryIsTheSameJobOverThoseThatDidNotSucceed) {
  Run("old", 0);
  jobs::v1::RetryJobRequest request;
  request.set_job_id("old");
  request.set_new_job_id("new");
  jobs::v1::RetryJobResponse response;
  EXPECT_THAT(creation_.Retry(call_, request, response), StatusIs(Code::kFailedPrecondition, "JOB_NOT_IN_STATE"));
  ASSERT_THAT(Cancel("old"), IsOk());
  ASSERT_THAT(creation_.Retry(call_, request, response), IsOk());
  EXPECT_EQ(response.job().id(), "new");
  EXPECT_EQ(response.job().invoke_method().method(), "lockDoor");
  EXPECT_EQ(response.job().retried_job_id(), "old");
  EXPECT_EQ(response.job().retried_states_size(), 3);
  EXPECT_EQ(response.job().state(), Job::STATE_QUEUED);
  EXPECT_THAT(creation_.Retry(call_, request, response), IsOk()) << "the same request again";
  request.add_states(jobs::v1::Execution::STATE_TIMED_OUT);
  EXPECT_THAT(creation_.Retry(call_, request, response), StatusIs(Code::kAlreadyExists, "JOB_ALREADY_EXISTS"));
  request.set_job_id("nope");
  EXPECT_THAT(creation_.Retry(call_, request, response), StatusIs(Code::kNotFound, "JOB_NOT_FOUND"));
}

}  // namespace
}  // namespace fleetcast::job_api
