#include "libs/testing/status_matchers.h"

namespace fleetcast::testing {
namespace {

using ::testing::Not;

TEST(StatusMatchersTest, TellOkFromErrors) {
  const absl::StatusOr<int> three = 3;
  const absl::StatusOr<int> missing = MakeError(absl::StatusCode::kNotFound, "JOB_NOT_FOUND", "no job");
  EXPECT_THAT(three, IsOk());
  EXPECT_THAT(three, IsOkAndHolds(3));
  EXPECT_THAT(three, Not(IsOkAndHolds(4)));
  EXPECT_THAT(missing, Not(IsOk()));
  EXPECT_THAT(missing, Not(IsOkAndHolds(3)));
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kNotFound, "JOB_NOT_FOUND"));
  EXPECT_THAT(missing, Not(StatusIs(absl::StatusCode::kNotFound, "OTHER")));
}

}  // namespace
}  // namespace fleetcast::testing
