#include "tools/fleetsim/registration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::fleetsim {
namespace {

constexpr char kGroupKey[] = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";  // 32 times 'k'

TEST(RegistrationTest, IdsArePrefixAndNumber) {
  Options options;
  options.devices = 2;
  options.prefix = "door-";
  options.first = 9;
  options.group_key = kGroupKey;
  const auto identities = MakeIdentities(options);
  ASSERT_TRUE(identities.ok());
  EXPECT_EQ((*identities)[0].id, "door-9");
  EXPECT_EQ((*identities)[1].id, "door-10");
}

TEST(RegistrationTest, AGroupKeyGivesTheSameKeysEveryTime) {
  Options options;
  options.devices = 2;
  options.group_key = kGroupKey;
  const auto once = MakeIdentities(options).value();
  const auto again = MakeIdentities(options).value();
  EXPECT_EQ(once[0].key.ToBase64(), again[0].key.ToBase64());
  EXPECT_NE(once[0].key.ToBase64(), once[1].key.ToBase64());
}

TEST(RegistrationTest, RefusesABadGroupKey) {
  Options options;
  options.group_key = "short";
  EXPECT_TRUE(absl::IsInvalidArgument(MakeIdentities(options).status()));
}

TEST(RegistrationTest, ReadsAKeyFile) {
  const auto identities = ParseKeyFile(std::string("# comment\n\nd1 ") + kGroupKey + "\r\nd2\t" + kGroupKey + "\n");
  ASSERT_TRUE(identities.ok()) << identities.status();
  ASSERT_EQ(identities->size(), 2u);
  EXPECT_EQ((*identities)[1].id, "d2");
}

TEST(RegistrationTest, NamesTheBadLineAndNotTheKey) {
  const absl::Status status = ParseKeyFile("# comment\nd1 secret\n").status();
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("line 2"));
  EXPECT_THAT(std::string(status.message()), testing::Not(testing::HasSubstr("secret")));
  EXPECT_FALSE(ParseKeyFile("").ok());
}

}  // namespace
}  // namespace fleetcast::fleetsim
