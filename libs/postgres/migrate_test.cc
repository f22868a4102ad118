#include "libs/postgres/migrate.h"

#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "libs/testing/private_postgres.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::postgres {
namespace {

using fleetcast::testing::IsOk;
using fleetcast::testing::PrivatePostgres;
using fleetcast::testing::Soon;
using fleetcast::testing::StatusIs;
using Code = absl::StatusCode;

constexpr Migration kOne{1, "0001_one.sql", "CREATE TABLE demo.one (id int); INSERT INTO demo.one VALUES (1);", "aa"};
constexpr Migration kTwo{2, "0002_two.sql", "CREATE TABLE demo.two (id int);", "bb"};
constexpr Migration kTwoChanged{2, "0002_two.sql", "CREATE TABLE demo.two (id bigint);", "cc"};
constexpr Migration kTwoBroken{2, "0002_two.sql", "CREATE TABLE demo.two (id int); SELECT nonsense;", "dd"};

class MigrateTest : public ::testing::Test {
 protected:
  absl::Status Run(std::vector<Migration> migrations) { return Migrate(pool_, Soon(), "demo", migrations); }
  absl::Status Check(std::vector<Migration> migrations) { return CheckSchema(pool_, Soon(), "demo", migrations); }

  telemetry::Metrics metrics_;
  Pool pool_{{.connection_string = PrivatePostgres::Shared().NewDatabase(), .application_name = "migrate_test"},
             metrics_};
};

TEST_F(MigrateTest, AServerThatAnswersIsNotWaitedFor) { FLEETCAST_EXPECT_OK(AwaitServer(pool_)); }

TEST_F(MigrateTest, AServerThatIsAwayIsWaitedForAWhile) {
  Pool away({.connection_string = "postgresql://fleetcast@127.0.0.1:1/fleetcast", .application_name = "migrate_test"},
            metrics_);
  const absl::Time begin = absl::Now();
  EXPECT_THAT(AwaitServer(away, absl::Milliseconds(500)), StatusIs(Code::kUnavailable));
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(500));
}

TEST_F(MigrateTest, RunsWhatIsMissingOnce) {
  EXPECT_THAT(Check({kOne}), StatusIs(Code::kFailedPrecondition, "SCHEMA_TOO_OLD"));
  FLEETCAST_EXPECT_OK(Run({kOne}));
  FLEETCAST_EXPECT_OK(Check({kOne}));
  EXPECT_THAT(Check({kOne, kTwo}), StatusIs(Code::kFailedPrecondition, "SCHEMA_TOO_OLD"));
  FLEETCAST_EXPECT_OK(Run({kOne, kTwo}));
  FLEETCAST_EXPECT_OK(Run({kOne, kTwo}));
  FLEETCAST_EXPECT_OK(Check({kOne, kTwo}));
}

TEST_F(MigrateTest, RefusesADatabaseFromTheFuture) {
  FLEETCAST_ASSERT_OK(Run({kOne, kTwo}));
  EXPECT_THAT(Run({kOne}), StatusIs(Code::kFailedPrecondition, "SCHEMA_TOO_NEW"));
  EXPECT_THAT(Check({kOne}), StatusIs(Code::kFailedPrecondition, "SCHEMA_TOO_NEW"));
}

TEST_F(MigrateTest, RefusesAChangedMigration) {
  FLEETCAST_ASSERT_OK(Run({kOne, kTwo}));
  EXPECT_THAT(Run({kOne, kTwoChanged}), StatusIs(Code::kFailedPrecondition, "SCHEMA_CHANGED"));
  EXPECT_THAT(Check({kOne, kTwoChanged}), StatusIs(Code::kFailedPrecondition, "SCHEMA_CHANGED"));
}

TEST_F(MigrateTest, ABrokenMigrationLeavesNothingBehind) {
  EXPECT_FALSE(Run({kOne, kTwoBroken}).ok());
  EXPECT_THAT(Check({kOne}), StatusIs(Code::kFailedPrecondition, "SCHEMA_TOO_OLD"));
  FLEETCAST_EXPECT_OK(Run({kOne, kTwo}));
}

TEST_F(MigrateTest, ProcessesThatMigrateAtOnceWaitForEachOther) {
  std::vector<std::jthread> processes;
  for (int i = 0; i < 4; ++i) processes.emplace_back([this] { FLEETCAST_EXPECT_OK(Run({kOne, kTwo})); });
  processes.clear();
  FLEETCAST_EXPECT_OK(Check({kOne, kTwo}));
}

TEST_F(MigrateTest, ChecksThatTheServerKeepsWhatItAcknowledges) {
  EXPECT_THAT(CheckServer(pool_, Soon()), StatusIs(Code::kFailedPrecondition, "DATABASE_UNSAFE"));
  FLEETCAST_EXPECT_OK(CheckServer(pool_, Soon(), /*allow_unsafe=*/true));
}

}  // namespace
}  // namespace fleetcast::postgres
