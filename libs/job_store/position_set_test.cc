#include "libs/job_store/position_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::job_store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PositionSetTest, BehavesAsASet) {
  const PositionSet low = PositionSet::FirstN(3);
  const PositionSet some = {1, 2, 999};
  EXPECT_THAT((low | some).ToVector(), ElementsAre(0, 1, 2, 999));
  EXPECT_THAT((low & some).ToVector(), ElementsAre(1, 2));
  EXPECT_THAT((low - some).ToVector(), ElementsAre(0));
  EXPECT_THAT(PositionSet().ToVector(), IsEmpty());
  EXPECT_EQ(some.size(), 3);
}

TEST(PositionSetTest, WritesTheTextThatItReads) {
  const PositionSet set = {0, 500, 999};
  const std::string text = set.ToBitText();
  EXPECT_EQ(text.size(), 1000u);
  EXPECT_EQ(text.front(), '1');
  EXPECT_EQ(PositionSet::FromBitText(text), set);
}

}  // namespace
}  // namespace fleetcast::job_store
