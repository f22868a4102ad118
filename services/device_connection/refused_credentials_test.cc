#include "services/device_connection/refused_credentials.h"

#include <string>

#include "gtest/gtest.h"

namespace fleetcast::device_connection {
namespace {

using internal::v1::OpenSession;
using internal::v1::OpenSessionResult;

constexpr absl::Duration kRefusedAt = absl::Hours(5);

OpenSession Open(const std::string& device_id, const std::string& password) {
  OpenSession open;
  open.set_device_id(device_id);
  open.set_client_id(device_id);
  open.set_host("hub.test.local");
  open.set_password(password);
  return open;
}

TEST(RefusedCredentialsTest, AnswersForTheSameWordsUntilTheirTimeIsOver) {
  RefusedCredentials refused({});
  EXPECT_FALSE(refused.Find(Open("dev-1", "x"), kRefusedAt).has_value());
  refused.Add(Open("dev-1", "x"), {OpenSessionResult::CODE_DEVICE_DISABLED, "disabled", 3}, kRefusedAt);
  const auto found = refused.Find(Open("dev-1", "x"), kRefusedAt + absl::Seconds(9));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->code, OpenSessionResult::CODE_DEVICE_DISABLED);
  EXPECT_STREQ(found->why, "disabled");
  EXPECT_EQ(found->ticket, 3u);
  EXPECT_FALSE(refused.Find(Open("dev-1", "x"), kRefusedAt + absl::Seconds(10)).has_value());
}

TEST(RefusedCredentialsTest, KnowsNothingOfOtherWords) {
  RefusedCredentials refused({});
  refused.Add(Open("dev-1", "x"), {}, kRefusedAt);
  EXPECT_FALSE(refused.Find(Open("dev-1", "y"), kRefusedAt).has_value());
  EXPECT_FALSE(refused.Find(Open("dev-2", "x"), kRefusedAt).has_value());
  OpenSession other = Open("dev-1", "x");
  other.set_host("other.test.local");
  EXPECT_FALSE(refused.Find(other, kRefusedAt).has_value());
  other = Open("dev-1", "x");
  other.set_certificate_sha256("AB");
  EXPECT_FALSE(refused.Find(other, kRefusedAt).has_value());
  other = Open("dev-1", "x");
  other.set_certificate_is_signed(true);
  EXPECT_FALSE(refused.Find(other, kRefusedAt).has_value());
}

TEST(RefusedCredentialsTest, TheOldestGoesFirst) {
  RefusedCredentials refused({.refusals_max = 2});
  for (const char* password : {"a", "b", "c"}) refused.Add(Open("dev-1", password), {}, kRefusedAt);
  EXPECT_FALSE(refused.Find(Open("dev-1", "a"), kRefusedAt).has_value());
  EXPECT_TRUE(refused.Find(Open("dev-1", "b"), kRefusedAt).has_value());
  EXPECT_TRUE(refused.Find(Open("dev-1", "c"), kRefusedAt).has_value());
}

TEST(RefusedCredentialsTest, ARepeatDoesNotMakeItLast) {
  RefusedCredentials refused({});
  refused.Add(Open("dev-1", "x"), {}, kRefusedAt);
  refused.Add(Open("dev-1", "x"), {}, kRefusedAt + absl::Seconds(9));
  EXPECT_FALSE(refused.Find(Open("dev-1", "x"), kRefusedAt + absl::Seconds(10)).has_value());
}

}  // namespace
}  // namespace fleetcast::device_connection
