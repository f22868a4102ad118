#include "services/twin/twin_restore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/json/twin_rules.h"

namespace fleetcast::twin {
namespace {

using json::Value;

const absl::Time kRestoredAt = absl::FromUnixSeconds(1'800'000'000);

Value Json(std::string_view text) { return *json::Parse(text); }

constexpr char kDesired[] =
    R"({"a":{"b":1.0},"$version":7,"$metadata":{"$lastUpdated":"2026-01-02T03:04:05.1234560Z","$lastUpdatedVersion":7,)"
    R"("a":{"$lastUpdated":"2026-01-02T03:04:05.1234560Z","$lastUpdatedVersion":7,)"
    R"("b":{"$lastUpdated":"2026-01-01T00:00:00.0000000Z","$lastUpdatedVersion":3}}}})";

TEST(RestoreTwinTest, KeepsVersionsMetadataAndEtag) {
  const absl::StatusOr<RestoredTwin> restored =
      RestoreTwin({Json(R"({"t":1})"), Json(kDesired),
                   Json(R"({"r":[1],"$version":4,"$metadata":{"$lastUpdated":"2026-01-01T00:00:00Z",)"
                        R"("r":{"$lastUpdated":"2026-01-01T00:00:00Z"}}})"),
                   "AAAAAAAAAAk="},
                  kRestoredAt);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(json::Print(restored->twin.desired), R"({"a":{"b":1.0}})");
  EXPECT_EQ(restored->twin.desired_version, 7);
  EXPECT_EQ(json::Print(*restored->twin.desired_metadata.FindPath({"a", "b", "$lastUpdatedVersion"})), "3");
  EXPECT_EQ(restored->twin.etag, 9);
  EXPECT_EQ(restored->reported.reported_version, 4);
  EXPECT_EQ(restored->twin.version, 13);
  EXPECT_EQ(restored->reported.metadata.Find("$lastUpdated")->AsString(), "2026-01-01T00:00:00Z");
  EXPECT_EQ(json::Print(*restored->edit.tags), R"({"t":1})");
}

TEST(RestoreTwinTest, ATwinThatIsNotGivenIsFresh) {
  const RestoredTwin restored = *RestoreTwin({}, kRestoredAt);
  const TwinState fresh = FreshTwin(kRestoredAt);
  EXPECT_EQ(restored.twin.etag, fresh.etag);
  EXPECT_EQ(restored.twin.version, fresh.version);
  EXPECT_EQ(restored.twin.desired_version, fresh.desired_version);
  EXPECT_EQ(restored.twin.desired_metadata, fresh.desired_metadata);
  EXPECT_EQ(restored.reported.reported_version, 1);
  EXPECT_FALSE(restored.edit.touches_tags());
  EXPECT_FALSE(restored.edit.touches_desired());
}

TEST(RestoreTwinTest, MetadataThatDoesNotFitIsMadeAnew) {
  for (
      const char* metadata :
      {R"(7)", R"({})", R"({"$lastUpdated":"yesterday","a":{"$lastUpdated":"2026-01-01T00:00:00Z"}})",
       R"({"$lastUpdated":"2026-01-01T00:00:00Z"})",
       R"({"$lastUpdated":"2026-01-01T00:00:00Z","a":{"$lastUpdated":"2026-01-01T00:00:00Z","$lastUpdatedVersion":9}})",
       R"({"$lastUpdated":"2026-01-01T00:00:00Z","a":{"$lastUpdated":"2026-01-01T00:00:00Z"},)"
       R"("b":{"$lastUpdated":"2026-01-01T00:00:00Z"}})"}) {
    Value desired = Json(R"({"a":1,"$version":2})");
    desired.Set("$metadata", Json(metadata));
    const RestoredTwin restored = *RestoreTwin({std::nullopt, desired, std::nullopt, "x"}, kRestoredAt);
    EXPECT_EQ(restored.twin.desired_metadata.FindPath({"a", "$lastUpdated"})->AsString(), json::TwinTime(kRestoredAt))
        << metadata;
    EXPECT_EQ(restored.twin.desired_version, 2);
    EXPECT_EQ(restored.twin.etag, 2);
  }
}

TEST(RestoreTwinTest, HoldsTheLimitsOfEveryWrite) {
  EXPECT_FALSE(RestoreTwin({Json(R"({"a.b":1})"), std::nullopt, std::nullopt, ""}, kRestoredAt).ok());
  EXPECT_FALSE(RestoreTwin({Json(R"({"$metadata":{}})"), std::nullopt, std::nullopt, ""}, kRestoredAt).ok());
  EXPECT_FALSE(RestoreTwin({Json("[]"), std::nullopt, std::nullopt, ""}, kRestoredAt).ok());
  Value big = Value::MakeObject();
  for (int i = 0; i < 3; ++i)
    big.Set(std::string(1, static_cast<char>('a' + i)), Value::String(std::string(4000, 'x')));
  EXPECT_FALSE(RestoreTwin({big, std::nullopt, std::nullopt, ""}, kRestoredAt).ok());
  EXPECT_TRUE(RestoreTwin({std::nullopt, std::nullopt, big, ""}, kRestoredAt).ok());
}

}  // namespace
}  // namespace fleetcast::twin
