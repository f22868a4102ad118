#include "libs/job_store/postgres_job_store.h"

#include "libs/base/status_macros.h"
#include "libs/job_store/postgres_fixture.h"
#include "libs/postgres/listener.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::job_store {
namespace {

using fleetcast::testing::IsOk;
using fleetcast::testing::WaitFor;

INSTANTIATE_TEST_SUITE_P(Postgres, JobStoreContract,
                         ::testing::Values([] { return std::make_unique<PostgresUnderTest>(); }));

absl::Time Soon() { return absl::Now() + absl::Seconds(20); }

CreateRequest SomeJob(const std::string& id) {
  CreateRequest request;
  request.spec.id = id;
  request.spec.condition = "*";
  request.spec.action = MethodAction{"reboot", "", absl::Seconds(30), absl::ZeroDuration()};
  request.request_hash = "h";
  return request;
}

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

// An old partition 'old' of day 100 with two jobs, one of which ended `second_ended` ago.
void MakeOldDay(PostgresUnderTest& under_test, const std::string& second_ended) {
  under_test.RunSql(R"sql(
    INSERT INTO jobs.partition VALUES ('old', 100::bigint << 32, 101::bigint << 32);
    CREATE TABLE jobs.chunk_target_old PARTITION OF jobs.chunk_target FOR VALUES FROM (429496729600) TO (433791696896);
    CREATE TABLE jobs.outcome_old PARTITION OF jobs.outcome FOR VALUES FROM (429496729600) TO (433791696896);
    CREATE TABLE jobs.attempt_old PARTITION OF jobs.attempt FOR VALUES FROM (429496729600) TO (433791696896);
    INSERT INTO jobs.job (seq, id, request_hash, condition, kind, status_message, due_time, execution_timeout_us, state,
                          end_time)
    VALUES (429496729601, 'old-1', '', '*', 1, '', now(), 1, 6, now() - interval '40 days'),
           (429496729602, 'old-2', '', '*', 1, '', now(), 1, 6, now() - interval ')sql" +
                    second_ended + R"sql(');
    INSERT INTO jobs.chunk (job_seq, chunk_no, size, state) VALUES (429496729601, 0, 10, 3))sql");
}

TEST(PostgresJobStoreTest, DaysWhoseJobsAllEndedLongAgoAreDropped) {
  PostgresUnderTest under_test;
  MakeOldDay(under_test, "31 days");
  FLEETCAST_ASSERT_OK(under_test.store().CreateJob(Soon(), SomeJob("young")));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const MaintainResult result,
                                 under_test.store().Maintain(Soon(), {.retention = absl::Hours(24 * 30)}));
  EXPECT_TRUE(result.is_leader);
  EXPECT_EQ(result.jobs_removed, 2);
  EXPECT_EQ(result.partitions_dropped, std::vector<std::string>{"old"});
  EXPECT_EQ(under_test.Count("pg_class WHERE relname ~ '_old$'"), 0);
  EXPECT_EQ(under_test.Count("jobs.job"), 1);
  EXPECT_EQ(under_test.Count("jobs.chunk"), 0);
}

TEST(PostgresJobStoreTest, ADayStaysWhileOneOfItsJobsIsYoung) {
  PostgresUnderTest under_test;
  MakeOldDay(under_test, "29 days");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const MaintainResult result,
                                 under_test.store().Maintain(Soon(), {.retention = absl::Hours(24 * 30)}));
  EXPECT_EQ(result.jobs_removed, 0);
  EXPECT_EQ(result.partitions_dropped, std::vector<std::string>());
  EXPECT_EQ(under_test.Count("jobs.chunk"), 1);
}

TEST(PostgresJobStoreTest, UpkeepMakesThePartitionsThatAreMissing) {
  PostgresUnderTest under_test;
  under_test.RunSql(R"sql(
    DO $$ BEGIN
      EXECUTE format('DROP TABLE jobs.chunk_target_%1$s, jobs.outcome_%1$s, jobs.attempt_%1$s',
                     to_char(jobs.today() + 2, 'YYYYMMDD'));
    END $$;
    DELETE FROM jobs.partition WHERE from_seq = jobs.first_seq(jobs.today() + 2))sql");
  EXPECT_EQ(under_test.store().Maintain(Soon(), {})->partitions_created, 1);
  EXPECT_EQ(under_test.store().Maintain(Soon(), {})->partitions_created, 0);
}

TEST(PostgresJobStoreTest, OneProcessAtATimeLeadsTheUpkeep) {
  PostgresUnderTest under_test;
  FLEETCAST_ASSERT_OK(under_test.pool().Transact(Soon(), [&](postgres::Transaction& transaction) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(
        transaction.RunScript("SELECT pg_advisory_xact_lock(hashtextextended('fleetcast.jobs.upkeep', 0))"));
    const auto result = under_test.store().Maintain(Soon(), {});
    EXPECT_TRUE(result.ok() && !result->is_leader);
    return absl::OkStatus();
  }));
  EXPECT_TRUE(under_test.store().Maintain(Soon(), {})->is_leader);
}

TEST(PostgresJobStoreTest, RowsOutsideOfAllDaysAreReported) {
  PostgresUnderTest under_test;
  under_test.RunSql("INSERT INTO jobs.outcome (job_seq, n, end_time, error_code, state) VALUES (5, 0, now(), 0, 3)");
  EXPECT_EQ(under_test.store().Maintain(Soon(), {})->default_partition_rows, 1);
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
