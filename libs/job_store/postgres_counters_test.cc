// The counters of big jobs on PostgreSQL: when they exist, and that they are right whoever writes.
#include <thread>

#include "libs/job_store/postgres_fixture.h"
#include "libs/job_store/postgres_saving.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::job_store {
namespace {

using fleetcast::testing::Soon;
using fleetcast::testing::WaitFor;

// A store in which jobs can be made as they stand when they have just been frozen.
class PostgresCountersTest : public ::testing::Test {
 protected:
  static constexpr int kChunks = kCounterStripes + 1;  // The least that have counters.

  // Runs a job over `chunks` chunks of two devices.
  void Run(const std::string& id, int chunks) {
    CreateRequest request;
    request.spec.id = id;
    request.spec.condition = "*";
    request.spec.action = MethodAction{"reboot", "", absl::Seconds(30), absl::ZeroDuration()};
    request.spec.execution_timeout = absl::Hours(1);
    request.request_hash = id;
    FLEETCAST_ASSERT_OK(store().CreateJob(Soon(), request));
    FLEETCAST_ASSERT_OK(store().PromoteDue(Soon(), 10));
    FLEETCAST_ASSERT_OK_AND_ASSIGN(auto lease, store().AcquireResolve(Soon(), "one", absl::Seconds(30)));
    for (int i = 0; i < chunks; ++i) {
      const std::string number = std::to_string(100 + i);
      FLEETCAST_ASSERT_OK(
          store().AppendTargets(Soon(), *lease, std::vector{number + "a", number + "b"}, absl::Seconds(30)));
    }
    FLEETCAST_ASSERT_OK(store().FinishResolve(Soon(), *lease));
  }

  std::vector<LeasedChunk> Lease() {
    auto leased = store().LeaseChunks(Soon(), {.owner = "one", .limit = 2 * kChunks});
    FLEETCAST_EXPECT_OK(leased);
    return leased.ok() ? *std::move(leased) : std::vector<LeasedChunk>();
  }

  absl::Status Issue(const LeasedChunk& chunk, const PositionSet& positions) {
    return store().MarkIssued(Soon(), std::vector<IssueRequest>{{chunk.lease, positions}}).status();
  }

  absl::StatusOr<RecordResult> Record(const LeasedChunk& chunk) {
    std::vector<Outcome> outcomes(2);
    for (int position = 0; position < 2; ++position) {
      outcomes[position].lease = chunk.lease;
      outcomes[position].position = position;
      outcomes[position].state = ExecutionState::kSucceeded;
      outcomes[position].end_time = absl::Now();
    }
    return store().RecordOutcomes(Soon(), outcomes);
  }

  JobCounts Counts(const std::string& id) {
    const auto job = store().GetJob(Soon(), id);
    FLEETCAST_EXPECT_OK(job);
    return job.ok() ? job->counts : JobCounts();
  }

  // Whether the counters of all jobs that run say what their chunks say.
  bool CountersAgree() {
    return under_test_.Count(R"sql(
      (SELECT job_seq, sum(CASE WHEN state = 0 THEN size - bit_count(issued) ELSE 0 END) AS pending,
              sum(succeeded) AS s, sum(failed) AS f, sum(timed_out) AS t, sum(canceled) AS c, sum(device_errors) AS d
       FROM jobs.chunk WHERE job_seq IN (SELECT seq FROM jobs.job WHERE counted AND end_time IS NULL) GROUP BY job_seq
       EXCEPT
       SELECT job_seq, sum(pending), sum(succeeded), sum(failed), sum(timed_out), sum(canceled), sum(device_errors)
       FROM jobs.counter GROUP BY job_seq) AS differ)sql") == 0;
  }

  JobStore& store() { return under_test_.store(); }

  PostgresUnderTest under_test_;
};

TEST_F(PostgresCountersTest, BigJobsHaveCountersUntilTheyEnd) {
  Run("small", kCounterStripes);
  EXPECT_EQ(under_test_.Count("jobs.counter"), 0);
  Run("big", kChunks);
  EXPECT_EQ(under_test_.Count("jobs.counter"), kCounterStripes);
  for (const LeasedChunk& chunk : Lease()) {
    FLEETCAST_ASSERT_OK(Issue(chunk, {0, 1}));
    FLEETCAST_ASSERT_OK(Record(chunk));
    EXPECT_TRUE(CountersAgree());
  }
  EXPECT_EQ(store().GetJob(Soon(), "big")->state, JobState::kCompleted);
  EXPECT_EQ(Counts("big"), (JobCounts{.total = 2 * kChunks, .succeeded = 2 * kChunks}));
  EXPECT_EQ(under_test_.Count("jobs.counter"), 0);
}

TEST_F(PostgresCountersTest, WritersTakeCountersThatNobodyHolds) {
  Run("big", kChunks);
  const std::vector<LeasedChunk> chunks = Lease();
  ASSERT_EQ(chunks.size(), static_cast<size_t>(kChunks));
  FLEETCAST_ASSERT_OK(under_test_.pool().Transact(Soon(), [&](postgres::Transaction& transaction) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(transaction.RunScript("SELECT FROM jobs.counter WHERE stripe < 15 FOR UPDATE"));
    return Issue(chunks[0], {0, 1});
  }));
  EXPECT_EQ(under_test_.Select("pending FROM jobs.counter WHERE stripe = 15"), -2);
  EXPECT_EQ(Counts("big"), (JobCounts{.total = 2 * kChunks, .pending = 2 * kChunks - 2, .running = 2}));
}

TEST_F(PostgresCountersTest, AWriterWaitsWhenAllCountersAreHeld) {
  Run("big", kChunks);
  const std::vector<LeasedChunk> chunks = Lease();
  ASSERT_EQ(chunks.size(), static_cast<size_t>(kChunks));
  std::thread writer;
  FLEETCAST_EXPECT_OK(under_test_.pool().Transact(Soon(), [&](postgres::Transaction& transaction) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(transaction.RunScript("SELECT FROM jobs.counter FOR UPDATE"));
    writer = std::thread([&] { FLEETCAST_EXPECT_OK(Issue(chunks[0], {0, 1})); });
    EXPECT_TRUE(WaitFor([&] {
      return under_test_.Count("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 1;
    }));
    EXPECT_EQ(Counts("big").running, 0);
    return absl::OkStatus();
  }));
  writer.join();
  EXPECT_EQ(Counts("big").running, 2);
  EXPECT_TRUE(CountersAgree());
}

// As programs of schema 0003 do.
TEST_F(PostgresCountersTest, WritersThatKnowNoCountersAreCounted) {
  Run("big", kChunks);
  under_test_.RunSql(R"sql(
    UPDATE jobs.chunk SET issued = set_bit(issued, 0, 1) WHERE chunk_no < 3;
    UPDATE jobs.chunk SET failed = failed + 1 WHERE chunk_no < 2;
    UPDATE jobs.chunk SET lease_until = now(), epoch = epoch + 1)sql");
  EXPECT_EQ(Counts("big"), (JobCounts{.total = 2 * kChunks, .pending = 2 * kChunks - 3, .running = 1, .failed = 2}));
  EXPECT_TRUE(CountersAgree());
  under_test_.RunSql("UPDATE jobs.chunk SET state = 1, canceled = size - bit_count(issued)");
  EXPECT_EQ(Counts("big"), (JobCounts{.total = 2 * kChunks, .running = 1, .failed = 2, .canceled = 2 * kChunks - 3}));
  EXPECT_TRUE(CountersAgree());
}

TEST_F(PostgresCountersTest, CountersLeaveWithTheirJob) {
  under_test_.RunSql(R"sql(
    INSERT INTO jobs.partition VALUES ('old', 100::bigint << 32, 101::bigint << 32);
    CREATE TABLE jobs.chunk_target_old PARTITION OF jobs.chunk_target FOR VALUES FROM (429496729600) TO (433791696896);
    CREATE TABLE jobs.outcome_old PARTITION OF jobs.outcome FOR VALUES FROM (429496729600) TO (433791696896);
    CREATE TABLE jobs.attempt_old PARTITION OF jobs.attempt FOR VALUES FROM (429496729600) TO (433791696896);
    INSERT INTO jobs.job (seq, id, request_hash, condition, kind, status_message, due_time, execution_timeout_us, state,
                          end_time, counted)
    VALUES (429496729601, 'old', '', '*', 1, '', now(), 1, 6, now() - interval '40 days', true);
    INSERT INTO jobs.counter (job_seq, stripe) VALUES (429496729601, 0), (429496729601, 1))sql");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const MaintainResult result, store().Maintain(Soon(), {}));
  EXPECT_EQ(result.jobs_removed, 1);
  EXPECT_EQ(under_test_.Count("jobs.counter"), 0);
}

TEST(PostgresCountersUpgradeTest, JobsThatRunAreCounted) {
  PostgresUnderTest under_test(3);
  under_test.RunSql(R"sql(
    INSERT INTO jobs.job (id, request_hash, condition, kind, status_message, due_time, execution_timeout_us, state,
                          target_count, chunk_count, frozen, started_time)
    SELECT 'job-' || n, '', '*', 1, '', now(), 3600000000, 4, 2 * n, n, true, now() FROM unnest('{16,17,40}'::int[]) n;
    INSERT INTO jobs.chunk (job_seq, chunk_no, size, issued, succeeded, device_errors, state)
    SELECT j.seq, c, 2, CASE WHEN c < 3 THEN B'11'::bit(1000) ELSE B'0'::bit(1000) END,
           CASE WHEN c = 0 THEN 2 ELSE 0 END, CASE WHEN c = 0 THEN 1 ELSE 0 END, CASE WHEN c = 0 THEN 3 ELSE 0 END
    FROM jobs.job j, generate_series(0, j.chunk_count - 1) AS c;
    INSERT INTO jobs.chunk_target SELECT job_seq, chunk_no, 'a', 'b', '{a,b}' FROM jobs.chunk)sql");
  FLEETCAST_ASSERT_OK(postgres::Migrate(under_test.pool(), Soon(), kSchemaName, SchemaMigrations()));
  EXPECT_EQ(under_test.Count("jobs.counter"), 2 * kCounterStripes);
  for (const int n : {16, 17, 40}) {
    FLEETCAST_ASSERT_OK_AND_ASSIGN(const Job job, under_test.store().GetJob(Soon(), "job-" + std::to_string(n)));
    EXPECT_EQ(job.counts,
              (JobCounts{.total = 2 * n, .pending = 2 * n - 6, .running = 4, .succeeded = 2, .device_errors = 1}));
  }
  FLEETCAST_ASSERT_OK(under_test.store().CancelJob(Soon(), {.job_id = "job-40", .drain = absl::Seconds(60)}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Job stopped, under_test.store().GetJob(Soon(), "job-40"));
  EXPECT_EQ(stopped.counts, (JobCounts{.total = 80, .running = 4, .succeeded = 2, .canceled = 74, .device_errors = 1}));
}

}  // namespace
}  // namespace fleetcast::job_store
