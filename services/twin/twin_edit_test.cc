#include "services/twin/twin_edit.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/json/twin_rules.h"

namespace fleetcast::twin {
namespace {

const absl::Time kThen = absl::FromUnixMicros(1'772'600'767'000'000);
const absl::Time kEditTime = absl::FromUnixMicros(1'772'600'767'123'456);

TEST(TwinEditTest, FreshTwinsBeginAsTheWireSays) {
  const TwinState state = FreshTwin(kThen);
  EXPECT_EQ(state.etag, 1);
  EXPECT_EQ(state.version, 2);
  EXPECT_EQ(state.desired_version, 1);
  EXPECT_EQ(json::Print(state.desired_metadata), R"({"$lastUpdated":"2026-03-04T05:06:07.0000000Z"})");
}

TEST(TwinEditTest, AWriteOfTagsRaisesEtagAndVersion) {
  TwinState state = FreshTwin(kThen);
  const absl::StatusOr<EditEffect> effect = ApplyEdit(*ParseMerge(R"({"a":1})", ""), kEditTime, state);
  ASSERT_TRUE(effect.ok());
  EXPECT_TRUE(effect->is_tags_changed);
  EXPECT_FALSE(effect->is_desired_changed);
  EXPECT_EQ(state.etag, 2);
  EXPECT_EQ(state.version, 3);
  EXPECT_EQ(state.desired_version, 1);
  EXPECT_EQ(json::Print(state.tags), R"({"a":1})");
}

TEST(TwinEditTest, AWriteOfBothRaisesEtagOnceAndTellsTheDevice) {
  TwinState state = FreshTwin(kThen);
  const absl::StatusOr<EditEffect> effect =
      ApplyEdit(*ParseMerge(R"({"a":1})", R"({"b":{"c":2},"d":null,"$version":9})"), kEditTime, state);
  ASSERT_TRUE(effect.ok());
  EXPECT_EQ(state.etag, 2);
  EXPECT_EQ(state.version, 3);
  EXPECT_EQ(state.desired_version, 2);
  EXPECT_EQ(json::Print(state.desired), R"({"b":{"c":2}})");
  EXPECT_EQ(effect->desired_patch, R"({"b":{"c":2},"d":null})");
  EXPECT_EQ(WithVersion(effect->desired_patch, 2), R"({"b":{"c":2},"d":null,"$version":2})");
  EXPECT_EQ(state.desired_metadata.Find("b")->Find("c")->Find("$lastUpdatedVersion")->AsInt(), 2);
}

TEST(TwinEditTest, AnEmptyPatchChangesNothing) {
  TwinState state = FreshTwin(kThen);
  ASSERT_TRUE(ApplyEdit(*ParseMerge("{}", R"({"$version":3})"), kEditTime, state).ok());
  EXPECT_EQ(state.version, 2);
}

TEST(TwinEditTest, NullEmptiesASection) {
  TwinState state = FreshTwin(kThen);
  ASSERT_TRUE(ApplyEdit(*ParseMerge(R"({"a":1})", R"({"b":1})"), kEditTime, state).ok());
  const absl::StatusOr<EditEffect> effect = ApplyEdit(*ParseMerge("null", "null"), kEditTime, state);
  EXPECT_EQ(json::Print(state.tags), "{}");
  EXPECT_EQ(json::Print(state.desired), "{}");
  EXPECT_EQ(effect->desired_patch, R"({"b":null})");
  EXPECT_EQ(WithVersion("{}", 4), R"({"$version":4})");
}

TEST(TwinEditTest, ReplacementDropsNullsAndWhatItDoesNotName) {
  TwinState state = FreshTwin(kThen);
  ASSERT_TRUE(ApplyEdit(*ParseMerge(R"({"a":1})", R"({"b":1,"c":{"x":1}})"), kEditTime, state).ok());
  const absl::StatusOr<EditEffect> effect =
      ApplyEdit(*ParseReplacement("", R"({"c":{"y":2,"z":null}})"), kEditTime, state);
  ASSERT_TRUE(effect.ok());
  EXPECT_EQ(json::Print(state.tags), "{}");
  EXPECT_EQ(json::Print(state.desired), R"({"c":{"y":2}})");
  EXPECT_EQ(effect->desired_patch, R"({"c":{"y":2,"x":null},"b":null})");
  EXPECT_EQ(state.desired_version, 3);
  EXPECT_EQ(state.desired_metadata.Find("b"), nullptr);
}

TEST(TwinEditTest, LimitsHoldForTheMergedDocument) {
  TwinState state = FreshTwin(kThen);
  const std::string half = "\"" + std::string(4000, 'x') + "\"";
  ASSERT_TRUE(ApplyEdit(*ParseMerge("{\"a\":" + half + ",\"b\":" + half + "}", ""), kEditTime, state).ok());
  EXPECT_EQ(GetReason(ApplyEdit(*ParseMerge("{\"c\":" + half + "}", ""), kEditTime, state).status()),
            json::kInvalidTwin);
}

TEST(TwinEditTest, ReportedWritesLeaveTheEtag) {
  ReportedState state;
  state.reported = *json::Parse(R"({"fw":"1"})");
  state.metadata = json::FreshMetadata({"then", 0});
  ASSERT_TRUE(ApplyReported(*json::Parse(R"({"fw":"2","x":null})"), kEditTime, state).ok());
  EXPECT_EQ(state.reported_version, 2);
  EXPECT_EQ(state.version, 3);
  EXPECT_EQ(json::Print(state.metadata),
            R"({"$lastUpdated":"2026-03-04T05:06:07.1234560Z","fw":{"$lastUpdated":"2026-03-04T05:06:07.1234560Z"}})");
}

TEST(TwinEditTest, ARestorationWritesOnlyWhatDiffers) {
  TwinState state = FreshTwin(kThen);
  ASSERT_TRUE(ApplyEdit(*ParseMerge(R"({"a":{"x":1,"y":[1,{"z":2}]}})", R"({"b":1.0})"), kThen, state).ok());
  const auto changes = [&](std::string_view tags, std::string_view desired) {
    TwinState copy = state;
    const absl::StatusOr<EditEffect> effect = ApplyEdit(*ParseRestoration(tags, desired), kThen, copy);
    return std::make_pair(effect->is_tags_changed, effect->is_desired_changed);
  };
  EXPECT_EQ(changes(R"({"a":{"y":[1,{"z":2}],"x":1}})", R"({"b":1.0})"), std::make_pair(false, false));
  EXPECT_EQ(changes("", R"({"b":1.00})"), std::make_pair(false, true));
  EXPECT_EQ(changes(R"({"a":{"y":[1,{"z":3}],"x":1}})", ""), std::make_pair(true, false));
  EXPECT_EQ(changes("{}", ""), std::make_pair(true, false));
}

}  // namespace
}  // namespace fleetcast::twin
