// The contract of upkeep.
#include "libs/job_store/job_store_contract.h"

namespace fleetcast::job_store {

TEST_P(JobStoreContract, UpkeepKeepsWhatIsYoungOrHasNotEnded) {
  Run(MethodJob("running"), Devices(1));
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("ended")));
  FLEETCAST_ASSERT_OK(store_.CancelJob(Soon(), {.job_id = "ended", .drain = kDrain}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const MaintainResult result,
                                 store_.Maintain(Soon(), {.retention = absl::Hours(24 * 30)}));
  EXPECT_TRUE(result.is_leader);
  EXPECT_EQ(result.jobs_removed, 0);
  EXPECT_EQ(result.default_partition_rows, 0);
  EXPECT_EQ(Get("running").state, JobState::kRunning);
  EXPECT_EQ(Get("ended").state, JobState::kCancelled);
}

TEST_P(JobStoreContract, JobsAreNumberedByTheDayOfTheirCreation) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-1")));
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), MethodJob("job-2")));
  const int64_t today = absl::ToUnixSeconds(absl::Now()) / (24 * 3600);
  EXPECT_LE(Get("job-1").seq >> 32, today);
  EXPECT_GE(Get("job-1").seq >> 32, today - 1);
  EXPECT_LT(Get("job-1").seq, Get("job-2").seq);
}

}  // namespace fleetcast::job_store
