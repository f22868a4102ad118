#include "libs/job_store/memory_job_store.h"

#include "libs/job_store/job_store_contract.h"

namespace fleetcast::job_store {
namespace {

class MemoryUnderTest final : public StoreUnderTest {
 public:
  JobStore& store() override { return store_; }

 private:
  MemoryJobStore store_{SystemClock()};
};

INSTANTIATE_TEST_SUITE_P(Memory, JobStoreContract,
                         ::testing::Values([] { return std::make_unique<MemoryUnderTest>(); }));

}  // namespace
}  // namespace fleetcast::job_store
