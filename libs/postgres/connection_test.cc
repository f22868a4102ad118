#include "libs/postgres/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::postgres {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(ConnectionTest, AddsLimitsToKeyValueStrings) {
  const std::string full = WithConnectionDefaults("host=/run/pg connect_timeout=9");
  EXPECT_THAT(full, StartsWith("host=/run/pg connect_timeout=9 "));
  EXPECT_THAT(full, HasSubstr(" target_session_attrs=read-write"));
  EXPECT_THAT(full, Not(HasSubstr("connect_timeout=3")));
}

TEST(ConnectionTest, AddsLimitsToUris) {
  EXPECT_THAT(WithConnectionDefaults("postgresql://db/fleetcast"),
              StartsWith("postgresql://db/fleetcast?connect_timeout=3&"));
  EXPECT_THAT(WithConnectionDefaults("postgresql://db/fleetcast?sslmode=require"),
              HasSubstr("?sslmode=require&connect_timeout=3&"));
}

TEST(StatementLimitTest, KeepsWhatIsCloseEnough) {
  const absl::Duration most = absl::Seconds(60);
  EXPECT_EQ(StatementLimit(absl::Seconds(90), most, absl::Seconds(59)), most);
  EXPECT_EQ(StatementLimit(absl::Seconds(30), most, absl::Seconds(28)), absl::Seconds(28));
  EXPECT_EQ(StatementLimit(absl::Seconds(32), most, most), absl::Seconds(30));
  EXPECT_EQ(StatementLimit(absl::Seconds(32), most, absl::Seconds(10)), absl::Seconds(30));
  EXPECT_EQ(StatementLimit(absl::Microseconds(1), most, most), absl::Milliseconds(1));
}

}  // namespace
}  // namespace fleetcast::postgres
