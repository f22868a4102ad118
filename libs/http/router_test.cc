#include "libs/http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::http {
namespace {

using ::testing::ElementsAre;

class RouterTest : public ::testing::Test {
 protected:
  RouterTest() {
    int tag = 0;
    for (const auto& [method, pattern] : std::vector<std::pair<std::string, std::string>>{
             {"GET", "jobs/v2/query"}, {"GET", "jobs/v2/*"}, {"PUT", "jobs/v2/*"}, {"GET", "devices/*/modules/*"}}) {
      router_.Add({.method = method, .pattern = pattern, .handler = {}, .tag = ++tag});
    }
  }

  int Tag(std::string_view method, const std::vector<std::string>& segments) {
    const Router::Match match = router_.Find(method, segments);
    return match.route == nullptr ? (match.is_path_known ? -1 : 0) : match.route->tag;
  }

  Router router_;
};

TEST_F(RouterTest, FirstFittingRouteWins) {
  EXPECT_EQ(Tag("GET", {"jobs", "v2", "query"}), 1);
  EXPECT_EQ(Tag("GET", {"jobs", "v2", "other"}), 2);
  EXPECT_EQ(Tag("PUT", {"jobs", "v2", "query"}), 3);
}

TEST_F(RouterTest, LiteralsHaveNoCaseAndCapturesKeepTheirs) {
  const Router::Match match = router_.Find("GET", {"Devices", "D/1", "MODULES", "m%"});
  ASSERT_NE(match.route, nullptr);
  EXPECT_THAT(match.captures, ElementsAre("D/1", "m%"));
}

TEST_F(RouterTest, TellsAnUnknownPathFromAnUnknownMethod) {
  EXPECT_EQ(Tag("DELETE", {"jobs", "v2", "x"}), -1);
  EXPECT_EQ(Tag("get", {"jobs", "v2", "x"}), -1);
  EXPECT_EQ(Tag("GET", {"jobs", "v2"}), 0);
  EXPECT_EQ(Tag("GET", {"jobs", "v2", "x", "y"}), 0);
}

}  // namespace
}  // namespace fleetcast::http
