#include "libs/job_store/postgres_job_store.h"

#include "libs/job_store/job_store_contract.h"
#include "libs/job_store/schema.h"
#include "libs/postgres/listener.h"
#include "libs/testing/private_postgres.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::job_store {
namespace {

using fleetcast::testing::IsOk;
using fleetcast::testing::PrivatePostgres;
using fleetcast::testing::WaitFor;

class PostgresUnderTest final : public StoreUnderTest {
 public:
  PostgresUnderTest() {
    FLEETCAST_EXPECT_OK(postgres::Migrate(pool_, absl::Now() + absl::Seconds(20), kSchemaName, SchemaMigrations()));
  }
  JobStore& store() override { return store_; }
  const postgres::PoolOptions& options() const { return pool_.options(); }

 private:
  telemetry::Metrics metrics_;
  postgres::Pool pool_{{.connection_string = PrivatePostgres::Shared().NewDatabase(),
                        .application_name = "job_store_test",
                        .connections = 8},
                       metrics_};
  PostgresJobStore store_{pool_};
};

INSTANTIATE_TEST_SUITE_P(Postgres, JobStoreContract,
                         ::testing::Values([] { return std::make_unique<PostgresUnderTest>(); }));

TEST(PostgresJobStoreTest, TellsSchedulersOfNewJobs) {
  PostgresUnderTest under_test;
  Mutex mutex;
  std::vector<std::string> heard;
  const auto has_heard = [&](std::string_view payload) {
    MutexLock lock(mutex);
    return std::find(heard.begin(), heard.end(), payload) != heard.end();
  };
  postgres::Listener listener(under_test.options(), kNotifyChannel, [&](std::string_view payload) {
    MutexLock lock(mutex);
    heard.emplace_back(payload);
  });
  ASSERT_TRUE(WaitFor([&] { return has_heard(""); }));
  CreateRequest request;
  request.spec.id = "job-1";
  request.spec.condition = "*";
  request.spec.action = MethodAction{"reboot", "", absl::Seconds(30), absl::ZeroDuration()};
  request.request_hash = "h";
  FLEETCAST_ASSERT_OK(under_test.store().CreateJob(absl::Now() + absl::Seconds(20), request));
  EXPECT_TRUE(WaitFor([&] { return has_heard("job-1"); }));
}

}  // namespace
}  // namespace fleetcast::job_store
