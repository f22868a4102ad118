// Upkeep on PostgreSQL: what it does to days that are over, whom it waits for, and what it may do as another role.
#include "libs/job_store/postgres_fixture.h"
#include "libs/job_store/postgres_saving.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::job_store {
namespace {

using fleetcast::testing::Soon;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

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

TEST(PostgresUpkeepTest, DaysWhoseJobsAllEndedLongAgoAreDropped) {
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

TEST(PostgresUpkeepTest, ADayStaysWhileOneOfItsJobsIsYoung) {
  PostgresUnderTest under_test;
  MakeOldDay(under_test, "29 days");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const MaintainResult result,
                                 under_test.store().Maintain(Soon(), {.retention = absl::Hours(24 * 30)}));
  EXPECT_EQ(result.jobs_removed, 0);
  EXPECT_EQ(result.partitions_dropped, std::vector<std::string>());
  EXPECT_EQ(under_test.Count("jobs.chunk"), 1);
}

void DropDayAfterTomorrow(PostgresUnderTest& under_test) {
  under_test.RunSql(R"sql(
    DO $$ BEGIN
      EXECUTE format('DROP TABLE jobs.chunk_target_%1$s, jobs.outcome_%1$s, jobs.attempt_%1$s',
                     to_char(jobs.today() + 2, 'YYYYMMDD'));
    END $$;
    DELETE FROM jobs.partition WHERE from_seq = jobs.first_seq(jobs.today() + 2))sql");
}

TEST(PostgresUpkeepTest, UpkeepMakesThePartitionsThatAreMissing) {
  PostgresUnderTest under_test;
  DropDayAfterTomorrow(under_test);
  EXPECT_EQ(under_test.store().Maintain(Soon(), {})->partitions_created, 1);
  EXPECT_EQ(under_test.store().Maintain(Soon(), {})->partitions_created, 0);
}

TEST(PostgresUpkeepTest, OneProcessAtATimeLeadsTheUpkeep) {
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

TEST(PostgresUpkeepTest, RowsOutsideOfAllDaysAreReported) {
  PostgresUnderTest under_test;
  under_test.RunSql("INSERT INTO jobs.outcome (job_seq, n, end_time, error_code, state) VALUES (5, 0, now(), 0, 3)");
  EXPECT_EQ(under_test.store().Maintain(Soon(), {})->default_partition_rows, 1);
}

// The sessions' own limits end a wait after 5 s.
constexpr absl::Duration kShort = absl::Seconds(4);

// Runs `action` while another session holds `lock`, a statement; it must not wait long for it.
template <typename Action>
void WhileLocked(PostgresUnderTest& under_test, std::string_view lock, Action action) {
  FLEETCAST_ASSERT_OK(under_test.pool().Transact(Soon(), [&](postgres::Transaction& transaction) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(transaction.RunScript(lock));
    const absl::Time begin = absl::Now();
    action();
    EXPECT_LT(absl::Now() - begin, kShort);
    return absl::OkStatus();
  }));
}

TEST(PostgresUpkeepTest, ADayThatIsReadIsDroppedInALaterRound) {
  PostgresUnderTest under_test;
  MakeOldDay(under_test, "31 days");
  WhileLocked(under_test, "SELECT count(*) FROM jobs.outcome", [&] {
    FLEETCAST_ASSERT_OK_AND_ASSIGN(const MaintainResult result, under_test.store().Maintain(Soon(), {}));
    EXPECT_TRUE(result.is_leader);
    EXPECT_EQ(result.jobs_removed, 2);
    EXPECT_THAT(result.partitions_dropped, IsEmpty());
    EXPECT_THAT(result.problems, Contains(HasSubstr("retention")));
    EXPECT_EQ(under_test.Count("jobs.partition WHERE name = 'old'"), 1);
  });
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const MaintainResult later, under_test.store().Maintain(Soon(), {}));
  EXPECT_EQ(later.partitions_dropped, std::vector<std::string>{"old"});
  EXPECT_THAT(later.problems, IsEmpty());
}

TEST(PostgresUpkeepTest, UpkeepDoesNotWaitLongToMakePartitions) {
  PostgresUnderTest under_test;
  DropDayAfterTomorrow(under_test);
  WhileLocked(under_test, "LOCK TABLE jobs.outcome IN SHARE UPDATE EXCLUSIVE MODE", [&] {
    EXPECT_FALSE(under_test.store().Maintain(Soon(), {}).ok());
    EXPECT_EQ(under_test.Count("jobs.partition WHERE from_seq = jobs.first_seq(jobs.today() + 2)"), 0);
  });
  EXPECT_EQ(under_test.store().Maintain(Soon(), {})->partitions_created, 1);
}

// Many dead rows in tables that are written in place, and the server knows of them.
void MakeDeadRows(PostgresUnderTest& under_test) {
  under_test.RunSql(R"sql(
    ALTER TABLE jobs.chunk SET (autovacuum_enabled = false);
    ALTER TABLE jobs.counter SET (autovacuum_enabled = false);
    INSERT INTO jobs.chunk (job_seq, chunk_no, size) SELECT 1, n, 1 FROM generate_series(1, 2000) AS n;
    INSERT INTO jobs.counter (job_seq, stripe) SELECT 1, n FROM generate_series(1, 2000) AS n;
    UPDATE jobs.chunk SET owner = 'somebody';
    UPDATE jobs.counter SET pending = 1;
    SELECT pg_stat_force_next_flush())sql");
}

TEST(PostgresUpkeepTest, TablesWithManyDeadRowsAreVacuumed) {
  PostgresUnderTest under_test;
  MakeDeadRows(under_test);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const MaintainResult result, under_test.store().Maintain(Soon(), {}));
  EXPECT_THAT(result.tables_vacuumed, UnorderedElementsAre("chunk", "counter"));
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_EQ(under_test.Count("pg_stat_user_tables WHERE schemaname = 'jobs' AND vacuum_count > 0"), 2);
  EXPECT_THAT(under_test.store().Maintain(Soon(), {})->tables_vacuumed, IsEmpty());
}

TEST(PostgresUpkeepTest, ATableThatIsLockedIsNotWaitedForToVacuumIt) {
  PostgresUnderTest under_test;
  MakeDeadRows(under_test);
  WhileLocked(under_test, "LOCK TABLE jobs.chunk IN SHARE UPDATE EXCLUSIVE MODE", [&] {
    FLEETCAST_EXPECT_OK(under_test.store().Maintain(Soon(), {}));
    EXPECT_EQ(under_test.Count("pg_stat_user_tables WHERE schemaname = 'jobs' AND vacuum_count > 0"), 1);
  });
}

// The services as a role that owns nothing: it may read and write rows, and call functions.
class AnotherRoleTest : public ::testing::Test {
 protected:
  AnotherRoleTest() {
    owner_.RunSql(R"sql(
      DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'services') THEN CREATE ROLE services LOGIN; END IF;
      END $$;
      GRANT USAGE ON SCHEMA jobs TO services;
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA jobs TO services;
      GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO services)sql");
  }

  static std::string AsServices(std::string connection_string) {
    const std::string user = "user=fleetcast";
    const size_t place = connection_string.find(user);
    FLEETCAST_CHECK(place != std::string::npos);
    return connection_string.replace(place, user.size(), "user=services");
  }

  PostgresUnderTest owner_;
  telemetry::Metrics metrics_;
  postgres::Pool pool_{
      {.connection_string = AsServices(owner_.options().connection_string), .application_name = "services"}, metrics_};
  PostgresJobStore store_{pool_};
};

TEST_F(AnotherRoleTest, MakesAndDropsPartitions) {
  MakeOldDay(owner_, "31 days");
  DropDayAfterTomorrow(owner_);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const MaintainResult result, store_.Maintain(Soon(), {}));
  EXPECT_EQ(result.partitions_created, 1);
  EXPECT_EQ(result.jobs_removed, 2);
  EXPECT_EQ(result.partitions_dropped, std::vector<std::string>{"old"});
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_EQ(result.default_partition_rows, 0);
}

TEST_F(AnotherRoleTest, SaysThatItMayNotVacuum) {
  MakeDeadRows(owner_);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const MaintainResult result, store_.Maintain(Soon(), {}));
  EXPECT_THAT(result.tables_vacuumed, IsEmpty());
  EXPECT_THAT(result.problems, Contains(AllOf(HasSubstr("jobs.chunk"), HasSubstr("belongs to another role"))));
  EXPECT_THAT(result.problems, Contains(AllOf(HasSubstr("jobs.counter"), HasSubstr("belongs to another role"))));
}

TEST_F(AnotherRoleTest, RunsABigJob) {
  FLEETCAST_ASSERT_OK(store_.CreateJob(Soon(), SomeJob("big")));
  FLEETCAST_ASSERT_OK(store_.PromoteDue(Soon(), 1));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(auto lease, store_.AcquireResolve(Soon(), "one", absl::Seconds(30)));
  for (int i = 0; i <= kCounterStripes; ++i) {
    FLEETCAST_ASSERT_OK(store_.AppendTargets(Soon(), *lease, std::vector{std::to_string(100 + i)}, absl::Seconds(30)));
  }
  FLEETCAST_ASSERT_OK(store_.FinishResolve(Soon(), *lease));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const auto chunks, store_.LeaseChunks(Soon(), {.owner = "one", .limit = 100}));
  for (const LeasedChunk& chunk : chunks) {
    FLEETCAST_ASSERT_OK(store_.MarkIssued(Soon(), std::vector<IssueRequest>{{chunk.lease, {0}}}));
    Outcome outcome;
    outcome.lease = chunk.lease;
    outcome.state = ExecutionState::kSucceeded;
    outcome.end_time = absl::Now();
    FLEETCAST_ASSERT_OK(store_.RecordOutcomes(Soon(), std::vector{outcome}));
  }
  EXPECT_EQ(store_.GetJob(Soon(), "big")->state, JobState::kCompleted);
  EXPECT_EQ(store_.GetJob(Soon(), "big")->counts.succeeded, kCounterStripes + 1);
}

}  // namespace
}  // namespace fleetcast::job_store
