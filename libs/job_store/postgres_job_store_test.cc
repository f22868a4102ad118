#include "libs/job_store/postgres_job_store.h"

#include "libs/base/status_macros.h"
#include "libs/job_store/postgres_fixture.h"
#include "libs/postgres/listener.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::job_store {
namespace {

using fleetcast::testing::IsOk;
using fleetcast::testing::Soon;
using fleetcast::testing::WaitFor;

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
  FLEETCAST_ASSERT_OK(under_test.store().CreateJob(Soon(), SomeJob("job-1")));
  EXPECT_TRUE(WaitFor([&] { return has_heard("job-1"); }));
}

TEST(PostgresJobStoreTest, NumbersAscendWhenTheClockJumpsBack) {
  PostgresUnderTest under_test;
  under_test.RunSql("SELECT setval('jobs.job_number', jobs.first_seq(jobs.today() + 1) + 7)");
  const auto created = under_test.store().CreateJob(Soon(), SomeJob("job"));
  FLEETCAST_ASSERT_OK(created);
  EXPECT_EQ(created->job.seq & 0xffffffff, 8);
}

TEST(PostgresJobStoreTest, JobsFromBeforeThePartitionsStay) {
  PostgresUnderTest under_test(1);
  under_test.RunSql(R"sql(
    INSERT INTO jobs.job (id, request_hash, condition, kind, status_message, due_time, execution_timeout_us, state,
                          target_count, chunk_count, frozen, started_time)
    VALUES ('job', '', '*', 1, '', now(), 3600000000, 4, 2, 1, true, now());
    INSERT INTO jobs.chunk (job_seq, chunk_no, size) VALUES (1, 0, 2);
    INSERT INTO jobs.chunk_target VALUES (1, 0, 'a', 'b', '{a,b}'))sql");
  FLEETCAST_ASSERT_OK(postgres::Migrate(under_test.pool(), Soon(), kSchemaName, SchemaMigrations()));
  JobStore& store = under_test.store();
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto leased, store.LeaseChunks(Soon(), {.owner = "one", .limit = 1}));
  ASSERT_EQ(leased.size(), 1u);
  EXPECT_EQ(leased[0].job->seq, 1);
  EXPECT_EQ(store.Maintain(Soon(), {})->default_partition_rows, 0);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto created, store.CreateJob(Soon(), SomeJob("new")));
  EXPECT_GT(created.job.seq, 1);
}

}  // namespace
}  // namespace fleetcast::job_store
