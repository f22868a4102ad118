// What every JobStore does, as tests. An implementation runs them all:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, JobStoreContract, testing::Values([] { return std::make_unique<…>(…); }));
//
// A bug found in one implementation becomes a test here. Time is real and short; nothing sleeps.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "libs/job_store/job_store.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::job_store {

// A store and whatever it needs to live.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual JobStore& store() = 0;
};

class JobStoreContract : public ::testing::TestWithParam<std::function<std::unique_ptr<StoreUnderTest>()>> {
 protected:
  static constexpr absl::Duration kTtl = absl::Seconds(30);
  static constexpr absl::Duration kDrain = absl::Seconds(60);

  JobStoreContract() : under_test_(GetParam()()), store_(under_test_->store()) {}

  static absl::Time Soon() { return fleetcast::testing::Soon(); }

  static CreateRequest MethodJob(const std::string& id);
  static CreateRequest TwinJob(const std::string& id);
  // Ascending device ids: prefix + five digits.
  static std::vector<std::string> Devices(int count, const std::string& prefix = "d");

  // Creates the job and freezes it over `devices`: it runs.
  void Run(const CreateRequest& request, const std::vector<std::string>& devices);
  // The same over `chunks` chunks of `per_chunk` devices each.
  void RunInChunks(const CreateRequest& request, int chunks, int per_chunk);
  // The same over the devices of all `pages`, stored one after the other.
  void RunOver(const CreateRequest& request, const std::vector<std::vector<std::string>>& pages);
  std::vector<LeasedChunk> Lease(int limit = 10, const std::string& owner = "one", absl::Duration ttl = kTtl);
  // Leases the only chunk of the only running job.
  LeasedChunk LeaseOne();
  bool Mark(const ChunkLease& lease, const PositionSet& positions);
  bool Clear(const ChunkLease& lease, const PositionSet& positions);
  RecordResult Record(const ChunkLease& lease, const PositionSet& positions,
                      ExecutionState state = ExecutionState::kSucceeded);
  Job Get(const std::string& id);
  Execution GetOn(const std::string& job_id, const std::string& device_id);

  std::unique_ptr<StoreUnderTest> under_test_;
  JobStore& store_;
};

}  // namespace fleetcast::job_store
