#include "libs/auth/keys.h"

#include <gtest/gtest.h>

#include <string>

#include "libs/auth/base64.h"
#include "libs/base/status.h"
#include "libs/model/reasons.h"

namespace fleetcast::auth {
namespace {

TEST(KeyTest, KeepsItsText) {
  const std::string text = Base64Encode(std::string(32, 'k'));
  EXPECT_EQ(Key::FromBase64(text)->ToBase64(), text);
}

TEST(KeyTest, AcceptsSixteenToSixtyFourBytes) {
  EXPECT_TRUE(Key::FromBase64(Base64Encode(std::string(16, 'k'))).ok());
  EXPECT_TRUE(Key::FromBase64(Base64Encode(std::string(64, 'k'))).ok());
  EXPECT_FALSE(Key::FromBase64(Base64Encode(std::string(15, 'k'))).ok());
  EXPECT_FALSE(Key::FromBase64(Base64Encode(std::string(65, 'k'))).ok());
}

TEST(KeyTest, RefusesTextThatIsNotBase64WithoutShowingIt) {
  const absl::Status status = Key::FromBase64("not-a-key-at-all").status();
  EXPECT_EQ(GetReason(status), reasons::kInvalidKey);
  EXPECT_EQ(std::string(status.message()).find("not-a-key"), std::string::npos);
}

TEST(KeyTest, GeneratesADifferentKeyEachTime) {
  EXPECT_EQ(Base64Decode(Key::Generate().ToBase64())->size(), kGeneratedKeyBytes);
  EXPECT_NE(Key::Generate().ToBase64(), Key::Generate().ToBase64());
}

// RFC 4231, test case 1.
TEST(KeyTest, SignsWithHmacSha256) {
  const absl::StatusOr<Key> key = Key::FromBase64(Base64Encode(std::string(20, '\x0b')));
  EXPECT_EQ(Base64Encode(key->Sign("Hi There")), "sDRMYdjbOFNcqK/OrwvxK4gdwgDJgz2nJuk3bC4yz/c=");
}

TEST(KeyTest, EmptyKeySignsNothing) { EXPECT_EQ(Key().Sign("text"), ""); }

TEST(ConstantTimeEqualsTest, ComparesContentAndLength) {
  EXPECT_TRUE(ConstantTimeEquals("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEquals("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEquals("abc", "abcd"));
}

}  // namespace
}  // namespace fleetcast::auth
