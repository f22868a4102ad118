#include "libs/model/page_token.h"

#include "gtest/gtest.h"
#include "libs/base/status.h"

namespace fleetcast {
namespace {

constexpr char kKey[] = "0123456789abcdef";

TEST(PageTokensTest, GivesThePositionBack) {
  const PageTokens tokens(kKey);
  const std::string position("2026\0dev", 8);
  EXPECT_EQ(*tokens.Open(tokens.Seal(position, {"ListJobs", "state=1"}), {"ListJobs", "state=1"}), position);
  EXPECT_EQ(*tokens.Open(tokens.Seal("", {}), {}), "");
}

TEST(PageTokensTest, IsUrlSafeAndShortEnoughForAHeader) {
  const PageTokens tokens(kKey);
  const std::string token = tokens.Seal(std::string(kPagePositionBytesMax, '\xfb'), {"ListJobs"});
  EXPECT_EQ(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="),
            std::string::npos);
  EXPECT_LE(token.size(), kPageTokenBytesMax);
  EXPECT_TRUE(tokens.Open(token, {"ListJobs"}).ok());
}

TEST(PageTokensTest, RefusesOtherRequests) {
  const PageTokens tokens(kKey);
  const std::string token = tokens.Seal("p", {"ListJobs", "ab", "c"});
  EXPECT_FALSE(tokens.Open(token, {"ListJobs", "ab"}).ok());
  EXPECT_FALSE(tokens.Open(token, {"ListJobs", "a", "bc"}).ok());
  EXPECT_FALSE(tokens.Open(token, {"ListJobs", "abc", ""}).ok());
}

TEST(PageTokensTest, RefusesOtherKeys) {
  const std::string token = PageTokens(kKey).Seal("p", {});
  EXPECT_EQ(GetReason(PageTokens("0123456789abcdeg").Open(token, {}).status()), "INVALID_PAGE_TOKEN");
}

TEST(PageTokensTest, RefusesEveryChangedByteAndEveryPrefix) {
  const PageTokens tokens(kKey);
  const std::string token = tokens.Seal("position", {"r"});
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(tokens.Open(changed, {"r"}).ok()) << i;
    EXPECT_FALSE(tokens.Open(token.substr(0, i), {"r"}).ok()) << i;
  }
}

TEST(PageTokensTest, RefusesGarbage) {
  const PageTokens tokens(kKey);
  for (const std::string& token : {std::string(), std::string("null"), std::string(5000, 'A'), std::string("!!!!")}) {
    EXPECT_FALSE(tokens.Open(token, {}).ok());
  }
}

}  // namespace
}  // namespace fleetcast
