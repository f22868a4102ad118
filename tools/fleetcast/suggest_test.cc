#include "tools/fleetcast/suggest.h"

#include <gtest/gtest.h>

namespace fleetcast::cli {
namespace {

TEST(SuggestTest, CountsEdits) {
  EXPECT_EQ(EditDistance("job", "job"), 0);
  EXPECT_EQ(EditDistance("jbo", "job"), 1);  // Swapped.
  EXPECT_EQ(EditDistance("", "job"), 3);
  EXPECT_EQ(EditDistance("cancle", "cancel"), 1);
  EXPECT_EQ(EditDistance("watch", "list"), 5);
}

TEST(SuggestTest, FindsTheNearestWord) {
  const std::vector<std::string> words = {"create", "get", "list", "watch", "cancel"};
  EXPECT_EQ(Suggest("cerate", words), "create");
  EXPECT_EQ(Suggest("lst", words), "list");
  EXPECT_EQ(Suggest("frobnicate", words), "");
  EXPECT_EQ(Suggest("x", words), "");
}

}  // namespace
}  // namespace fleetcast::cli
