#include "libs/model/ids.h"

#include "gtest/gtest.h"
#include "libs/base/status.h"

namespace fleetcast {
namespace {

TEST(DeviceIdTest, AcceptsEveryAllowedCharacter) {
  EXPECT_TRUE(ValidateDeviceId("AZaz09-:.+%_#*?!(),=@;$'").ok());
  EXPECT_TRUE(ValidateDeviceId(std::string(128, 'd')).ok());
}

TEST(DeviceIdTest, RefusesOthersAndWrongLengths) {
  for (const std::string id : {"", "a b", "a/b", "a\"b", "a\\b", "ä", "a\tb", "a<b", "a&b", "a~b"}) {
    EXPECT_EQ(GetReason(ValidateDeviceId(id)), "INVALID_DEVICE_ID") << id;
  }
  EXPECT_FALSE(ValidateDeviceId(std::string(129, 'd')).ok());
  EXPECT_FALSE(ValidateDeviceId(std::string_view("a\0b", 3)).ok());
}

TEST(DeviceIdTest, RefusesNewIdsThatTopicsCannotCarry) {
  EXPECT_FALSE(ValidateNewDeviceId("a+b").ok());
  EXPECT_FALSE(ValidateNewDeviceId("a#").ok());
  EXPECT_TRUE(ValidateNewDeviceId("a-b").ok());
}

TEST(JobIdTest, FollowsTheRule) {
  EXPECT_TRUE(ValidateJobId("Lock-43_2026.03'04").ok());
  EXPECT_TRUE(ValidateJobId(std::string(64, 'j')).ok());
  for (const std::string id : {"", "query", "a b", "a:b", "a/b", "a+b"}) {
    EXPECT_EQ(GetReason(ValidateJobId(id)), "INVALID_JOB_ID") << id;
  }
  EXPECT_FALSE(ValidateJobId(std::string(65, 'j')).ok());
}

TEST(MethodNameTest, FollowsTheRule) {
  EXPECT_TRUE(ValidateMethodName("lockDoor").ok());
  EXPECT_TRUE(ValidateMethodName("a-b_c.d!%&'*^`|~").ok());
  for (const std::string name : {"", "a b", "a/b", "a$b", "a?", "a{", "a+b", "a#b", "a\x7f", "ä", "a\nb"}) {
    EXPECT_EQ(GetReason(ValidateMethodName(name)), "INVALID_METHOD") << name;
  }
  EXPECT_FALSE(ValidateMethodName(std::string(101, 'm')).ok());
}

TEST(IdentityTest, ParsesDevicesAndModules) {
  EXPECT_EQ(*ParseIdentity("dev-1"), (Identity{"dev-1", ""}));
  EXPECT_EQ(*ParseIdentity("dev-1/mod"), (Identity{"dev-1", "mod"}));
  EXPECT_EQ(ParseIdentity("dev-1/mod")->ToString(), "dev-1/mod");
  EXPECT_EQ(GetReason(ParseIdentity("dev-1/").status()), "INVALID_MODULE_ID");
  EXPECT_EQ(GetReason(ParseIdentity("/mod").status()), "INVALID_DEVICE_ID");
  EXPECT_FALSE(ParseIdentity("a/b/c").ok());
}

}  // namespace
}  // namespace fleetcast
