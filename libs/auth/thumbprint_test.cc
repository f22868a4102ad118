#include "libs/auth/thumbprint.h"

#include <gtest/gtest.h>

namespace fleetcast::auth {
namespace {

// Digests of the text "der".
constexpr char kSha1[] = "7D44C33CF9A82AB9BD5300D266784504E9772177";
constexpr char kSha256[] = "5050d80d22ecd471ea55df7034042c1e041341ff4066e7f6ff38e20b720df8ea";

TEST(ThumbprintTest, MatchesBothDigestsInAnyCase) {
  EXPECT_TRUE(MatchesThumbprint(kSha1, "der"));
  EXPECT_TRUE(MatchesThumbprint(kSha256, "der"));
  EXPECT_FALSE(MatchesThumbprint(kSha1, "other"));
  EXPECT_FALSE(MatchesThumbprint(kSha256, "other"));
}

TEST(ThumbprintTest, EmptyAndMalformedMatchNothing) {
  EXPECT_FALSE(MatchesThumbprint("", ""));
  EXPECT_FALSE(MatchesThumbprint("zz", "der"));
}

TEST(ThumbprintTest, KnowsItsForm) {
  EXPECT_TRUE(IsThumbprint(kSha1));
  EXPECT_TRUE(IsThumbprint(kSha256));
  EXPECT_FALSE(IsThumbprint("AA:BB"));
  EXPECT_FALSE(IsThumbprint(std::string_view(kSha1).substr(1)));
}

}  // namespace
}  // namespace fleetcast::auth
