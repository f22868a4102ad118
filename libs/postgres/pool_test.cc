#include "libs/postgres/pool.h"

#include <atomic>
#include <future>
#include <thread>

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/testing/private_postgres.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::postgres {
namespace {

using fleetcast::testing::IsOk;
using fleetcast::testing::IsOkAndHolds;
using fleetcast::testing::PrivatePostgres;
using fleetcast::testing::Soon;
using fleetcast::testing::StatusIs;
using fleetcast::testing::WaitFor;
using ::testing::ElementsAre;

constexpr Statement kCreate{"test_create", "CREATE TABLE t (id int PRIMARY KEY, word text, bytes bytea)"};
constexpr Statement kInsert{"test_insert", "INSERT INTO t (id, word) VALUES ($1, $2)"};
constexpr Statement kCount{"test_count", "SELECT count(*) FROM t"};
constexpr Statement kSleep{"test_sleep", "SELECT pg_sleep($1)"};
constexpr Statement kRaise{"test_raise", "UPDATE t SET word = $2 WHERE id = $1"};
constexpr Statement kBackend{"test_backend", "SELECT pg_backend_pid()"};
constexpr Statement kKill{"test_kill", "SELECT pg_terminate_backend($1)"};

class PoolTest : public ::testing::Test {
 protected:
  PoolTest() { FLEETCAST_EXPECT_OK(pool_.Run(Soon(), kCreate)); }

  int64_t Count() { return (*pool_.Run(Soon(), kCount))[0].Get<int64_t>(0); }

  telemetry::Metrics metrics_;
  Pool pool_{{.connection_string = PrivatePostgres::Shared().NewDatabase(),
              .application_name = "pool_test",
              .connections = 2,
              .acquire_timeout = absl::Milliseconds(200)},
             metrics_};
};

TEST_F(PoolTest, CommitsWhenTheFunctionIsContent) {
  FLEETCAST_EXPECT_OK(pool_.Transact(Soon(), [](Transaction& t) { return t.Run(kInsert, 1, "one").status(); }));
  EXPECT_EQ(Count(), 1);
}

TEST_F(PoolTest, RollsBackWhenTheFunctionFails) {
  const absl::Status status = pool_.Transact(Soon(), [](Transaction& t) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(t.Run(kInsert, 1, "one").status());
    return absl::FailedPreconditionError("no");
  });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(Count(), 0);
}

TEST_F(PoolTest, ASwallowedErrorStillRollsBack) {
  const absl::Status status = pool_.Transact(Soon(), [](Transaction& t) {
    t.Run(kInsert, 1, "one").IgnoreError();
    t.Run(kInsert, 1, "again").IgnoreError();
    return absl::OkStatus();
  });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAlreadyExists, "DUPLICATE_KEY"));
  EXPECT_EQ(GetErrorDetail(status).metadata.at("constraint"), "t_pkey");
  EXPECT_EQ(Count(), 0);
}

TEST_F(PoolTest, CarriesValuesOfEveryType) {
  constexpr Statement kEcho{"test_echo", R"sql(
      SELECT $1::text AS word, $2::bytea AS bytes, $3::bigint AS number, $4::timestamptz AS time, $5::bool AS yes,
             $6::text AS missing, $7::text[] AS words, $8::bigint[] AS numbers)sql"};
  const absl::Time now = absl::FromUnixMicros(absl::ToUnixMicros(absl::Now()));
  const std::string bytes("\x00\xff\\x", 4);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(
      const Result result, pool_.Run(Soon(), kEcho, "a'b", Bytes{bytes}, int64_t{1} << 40, now, true, std::nullopt,
                                     std::vector<std::string>{"x", "y,\"z\\"}, std::vector<int64_t>{}));
  const Row row = result[0];
  EXPECT_EQ(row.Get<std::string>("word"), "a'b");
  EXPECT_EQ(row.GetBytes("bytes"), bytes);
  EXPECT_EQ(row.Get<int64_t>("number"), int64_t{1} << 40);
  EXPECT_EQ(row.Get<absl::Time>("time"), now);
  EXPECT_TRUE(row.Get<bool>("yes"));
  EXPECT_EQ(row.Get<std::optional<std::string>>("missing"), std::nullopt);
  EXPECT_THAT(row.Get<std::vector<std::string>>("words"), ElementsAre("x", "y,\"z\\"));
  EXPECT_TRUE(row.Get<std::vector<int64_t>>("numbers").empty());
}

TEST_F(PoolTest, CopiesRowsIn) {
  const std::vector<Params> rows = {Params::Of(1, "tab\tline\nback\\"), Params::Of(2, std::nullopt), Params::Of(3, "")};
  EXPECT_THAT(pool_.Transact(Soon(),
                             [&](Transaction& t) {
                               return t.CopyIn("t", {"id", "word"}, rows);
                             }),
              IsOkAndHolds(3));
  constexpr Statement kAll{"test_all", "SELECT word FROM t ORDER BY id"};
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Result all, pool_.Run(Soon(), kAll));
  EXPECT_EQ(all[0].Get<std::string>(0), "tab\tline\nback\\");
  EXPECT_EQ(all[1].Get<std::optional<std::string>>(0), std::nullopt);
  EXPECT_EQ(all[2].Get<std::string>(0), "");
}

TEST_F(PoolTest, RefusesTextThatTheDatabaseCannotHold) {
  EXPECT_THAT(pool_.Run(Soon(), kInsert, 1, std::string("a\0b", 3)), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(pool_.Run(Soon(), kInsert, 1, "\xff"), StatusIs(absl::StatusCode::kInvalidArgument, "INVALID_VALUE"));
}

TEST_F(PoolTest, TheDeadlineEndsARunningStatement) {
  EXPECT_THAT(pool_.Run(absl::Now() + absl::Milliseconds(150), kSleep, 30),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "DATABASE_TIMEOUT"));
}

// The limit that one call left on its session is not that of the next. In minutes: what the calls take is nothing then.
TEST_F(PoolTest, EveryStatementHasTheLimitOfItsOwnDeadline) {
  constexpr Statement kLimit{"test_limit",
                             "SELECT setting::bigint / 60000.0 FROM pg_settings WHERE name = 'statement_timeout'"};
  PoolOptions options = pool_.options();
  options.connections = 1;
  options.statement_timeout = absl::Minutes(100);
  Pool pool(options, metrics_);
  const auto alone = [&](int minutes) {
    return (*pool.Run(absl::Now() + absl::Minutes(minutes), kLimit))[0].Get<double>(0);
  };
  const auto in_block = [&](int minutes) {
    const auto rows =
        pool.Transact(absl::Now() + absl::Minutes(minutes), [&](Transaction& t) { return t.Run(kLimit); });
    return (*rows)[0].Get<double>(0);
  };
  EXPECT_EQ(alone(400), 100);
  const double lower = alone(60);
  EXPECT_LE(lower, 60);
  EXPECT_GE(lower, 52);
  EXPECT_EQ(alone(60), lower);  // The session has it already.
  EXPECT_LE(alone(20), 20);
  EXPECT_EQ(in_block(400), 100);
  EXPECT_GT(in_block(60), 58);
  EXPECT_GT(alone(80), 68);
  EXPECT_EQ(alone(400), 100);
}

TEST_F(PoolTest, RefusesWhenNoSessionComesFree) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<int> holding = 0;
  std::vector<std::jthread> holders;
  for (int i = 0; i < 2; ++i) {
    holders.emplace_back([&] {
      FLEETCAST_EXPECT_OK(pool_.Transact(Soon(), [&](Transaction&) {
        ++holding;
        released.wait();
        return absl::OkStatus();
      }));
    });
  }
  ASSERT_TRUE(WaitFor([&] { return holding == 2; }));
  EXPECT_THAT(pool_.Run(Soon(), kCount), StatusIs(absl::StatusCode::kResourceExhausted, "DATABASE_BUSY"));
  release.set_value();
  holders.clear();
  FLEETCAST_EXPECT_OK(pool_.Run(Soon(), kCount));
}

TEST_F(PoolTest, RunsAgainAfterADeadlock) {
  FLEETCAST_ASSERT_OK(pool_.Run(Soon(), kInsert, 1, ""));
  FLEETCAST_ASSERT_OK(pool_.Run(Soon(), kInsert, 2, ""));
  std::atomic<int> first_locks = 0;
  const auto raise_both = [&](int first, int second) {
    return pool_.Transact(Soon(), [&, first, second](Transaction& t) -> absl::Status {
      FLEETCAST_RETURN_IF_ERROR(t.Run(kRaise, first, "x").status());
      if (++first_locks <= 2) WaitFor([&] { return first_locks >= 2; });  // Only the first attempts collide.
      return t.Run(kRaise, second, "x").status();
    });
  };
  std::jthread other([&] { FLEETCAST_EXPECT_OK(raise_both(2, 1)); });
  FLEETCAST_EXPECT_OK(raise_both(1, 2));
  other.join();
  EXPECT_GE(first_locks, 3);
}

TEST_F(PoolTest, ClosesItsSessions) {
  constexpr Statement kSessions{"test_sessions",
                                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pool_test_closed'"};
  const auto sessions = [&] { return (*pool_.Run(Soon(), kSessions))[0].Get<int64_t>(0); };
  {
    PoolOptions options = pool_.options();
    options.application_name = "pool_test_closed";
    Pool pool(options, metrics_);
    FLEETCAST_EXPECT_OK(pool.Run(Soon(), kCount));
    EXPECT_EQ(sessions(), 1);
  }
  EXPECT_TRUE(WaitFor([&] { return sessions() == 0; }));
}

TEST_F(PoolTest, ReplacesBrokenSessions) {
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Result backend, pool_.Run(Soon(), kBackend));
  const auto old_pid = backend[0].Get<int32_t>(0);
  // The statement kills its own session: the first attempt breaks, the second finds nothing to kill.
  FLEETCAST_EXPECT_OK(pool_.Run(Soon(), kKill, old_pid));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const Result again, pool_.Run(Soon(), kBackend));
  EXPECT_NE(again[0].Get<int32_t>(0), old_pid);
}

TEST(PoolWithoutServerTest, SaysUnavailable) {
  telemetry::Metrics metrics;
  Pool pool({.connection_string = "host=/nonexistent", .application_name = "pool_test"}, metrics);
  EXPECT_THAT(pool.Run(absl::Now() + absl::Seconds(1), kBackend),
              StatusIs(absl::StatusCode::kUnavailable, "DATABASE_UNAVAILABLE"));
}

}  // namespace
}  // namespace fleetcast::postgres
