#include "libs/json/twin_rules.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"

namespace fleetcast::json {
namespace {

std::string Nested(int levels, const std::string& inner) {
  std::string text = inner;
  for (int i = 0; i < levels; ++i) text = "{\"k\":" + text + "}";
  return text;
}

// Both ways of judging have to agree.
bool Accepts(std::string_view text, Section section = Section::kDesired) {
  const absl::StatusOr<Value> read = ParseSection(text, section);
  absl::StatusOr<Value> value = Parse(text, {.bytes_max = kTwinTextBytesMax, .depth_max = 32});
  if (!value.ok()) return read.ok();
  const absl::Status checked = CheckSection(*value, section);
  EXPECT_EQ(checked.ok(), read.ok()) << text << checked << read.status();
  if (!read.ok()) {
    EXPECT_EQ(checked.message(), read.status().message());
    return false;
  }
  EXPECT_EQ(Print(*value), Print(*read));
  return true;
}

TEST(TwinRulesTest, DropsMetadataAndVersionAtTheRootOfProperties) {
  const absl::StatusOr<Value> desired = ParseSection(R"({"$version":7,"a":1,"$metadata":{"x":1}})", Section::kDesired);
  ASSERT_TRUE(desired.ok()) << desired.status();
  EXPECT_EQ(Print(*desired), R"({"a":1})");
  EXPECT_FALSE(Accepts(R"({"a":{"$version":7}})"));
  EXPECT_FALSE(Accepts(R"({"$version":7})", Section::kTags));
}

TEST(TwinRulesTest, ChecksKeys) {
  EXPECT_TRUE(Accepts(R"({"__proto__":1,"a-b:c":2,"é":3})"));
  for (const std::string_view text : {R"({"a.b":1})", R"({"a b":1})", R"({"$a":1})", R"({"a#":1})", R"({"":1})",
                                      R"({"a\u0001":1})", R"({"a\u0085":1})", R"({"a":[{"b.c":1}]})"}) {
    EXPECT_FALSE(Accepts(text)) << text;
  }
  EXPECT_TRUE(Accepts("{\"" + std::string(1024, 'k') + "\":1}"));
  EXPECT_FALSE(Accepts("{\"" + std::string(1025, 'k') + "\":1}"));
}

TEST(TwinRulesTest, ChecksValues) {
  EXPECT_TRUE(Accepts("{\"a\":\"" + std::string(4096, 'x') + "\"}"));
  EXPECT_FALSE(Accepts("{\"a\":\"" + std::string(4097, 'x') + "\"}"));
  EXPECT_TRUE(Accepts(R"({"a":4503599627370495,"b":-4503599627370496,"c":1e300})"));
  EXPECT_FALSE(Accepts(R"({"a":4503599627370496})"));
  EXPECT_FALSE(Accepts(R"({"a":-4503599627370497})"));
  EXPECT_FALSE(Accepts(R"({"a":[1,null]})"));
  EXPECT_FALSE(Accepts(R"({"a":[{"b":null}]})"));
  EXPECT_TRUE(Accepts(R"({"a":null,"b":{"c":null}})"));
  for (const std::string_view text : {"[]", "1", "\"x\"", "true"}) EXPECT_FALSE(Accepts(text)) << text;
  EXPECT_TRUE(Accepts("null"));
}

TEST(TwinRulesTest, AScalarMaySitInTheTenthObjectBelowTheRoot) {
  EXPECT_TRUE(Accepts(Nested(11, "1")));
  EXPECT_FALSE(Accepts(Nested(12, "1")));
  EXPECT_FALSE(Accepts(Nested(11, "[1]")));
}

TEST(TwinRulesTest, WhatIsDroppedIsNotJudgedAndNotBuilt) {
  const std::string deep = Nested(20, "[null, 4503599627370496, \"" + std::string(5000, 'x') + "\"]");
  const absl::StatusOr<Value> reported =
      ParseSection("{\"a\":1,\"$metadata\":" + deep + ",\"$version\":{},\"b\":{\"c\":2}}", Section::kReported);
  ASSERT_TRUE(reported.ok()) << reported.status();
  EXPECT_EQ(Print(*reported), R"({"a":1,"b":{"c":2}})");
  EXPECT_FALSE(Accepts("{\"$metadata\":1,\"b\":[null]}"));
  EXPECT_FALSE(Accepts("{\"$metadata\":{},\"a b\":1}"));
  EXPECT_FALSE(Accepts("{\"a\":{\"$metadata\":1}}"));
}

TEST(TwinRulesTest, AnArrayCountsWithAllThatItHolds) {
  const std::string text(1000, 'x');
  EXPECT_TRUE(Accepts("{\"a\":[\"" + text + "\",\"" + text + "\",{\"k\":[\"" + text + "\"]}]}"));
  EXPECT_FALSE(Accepts("{\"a\":[\"" + text + "\",[\"" + text + "\",\"" + text + "\"],{\"k\":[\"" + text + "\"],\"" +
                       text + "\":1}]}"));
  EXPECT_FALSE(
      Accepts("{\"a\":[" + std::string(512 * 2, '1').replace(1, 1, ",") + "]}"));  // One number of 1,022 digits.
  std::string numbers = "1";
  for (int i = 1; i < 512; ++i) numbers += ",1";
  EXPECT_TRUE(Accepts("{\"a\":[" + numbers + "]}"));
  EXPECT_FALSE(Accepts("{\"a\":[" + numbers + ",1]}"));
}

TEST(TwinRulesTest, ErrorsNameTheMember) {
  const absl::Status error = ParseSection(R"({"a":{"b c":1}})", Section::kReported).status();
  EXPECT_EQ(GetErrorDetail(error).reason, kInvalidTwin);
  EXPECT_EQ(GetErrorDetail(error).metadata.at("path"), "properties.reported.a.b c");
  EXPECT_EQ(GetErrorDetail(error).metadata.at("position"), "10");
}

TEST(TwinRulesTest, SizeFollowsTheFormula) {
  EXPECT_EQ(TwinSize(*Parse("{}")), 0u);
  EXPECT_EQ(TwinSize(*Parse(R"({"ab":1,"c":true,"d":"xyz","e":{"f":[1.5,"é"]}})")),
            2u + 8 + 1 + 4 + 1 + 3 + 1 + 1 + 8 + 2);
  EXPECT_EQ(TwinSize(*Parse(R"({"a":"x\n\u0085y"})")), 3u);
}

TEST(TwinRulesTest, AnOversizedSectionMayOnlyShrink) {
  EXPECT_TRUE(CheckSectionSize(Section::kTags, 0, 8192).ok());
  EXPECT_EQ(GetReason(CheckSectionSize(Section::kTags, 0, 8193)), kInvalidTwin);
  EXPECT_TRUE(CheckSectionSize(Section::kDesired, 40000, 39000).ok());
  EXPECT_FALSE(CheckSectionSize(Section::kDesired, 40000, 40001).ok());
}

TEST(TwinRulesTest, MergeStampsWhatThePatchTouches) {
  Value metadata = FreshMetadata({"t1", 0});
  EXPECT_EQ(Print(metadata), R"({"$lastUpdated":"t1"})");
  StampMerge(metadata, *Parse(R"({"a":{"b":1,"c":[1,{"x":2}]},"d":2})"), {"t2", 2});
  EXPECT_EQ(Print(metadata),
            R"({"$lastUpdated":"t2","$lastUpdatedVersion":2,)"
            R"("a":{"$lastUpdated":"t2","$lastUpdatedVersion":2,)"
            R"("b":{"$lastUpdated":"t2","$lastUpdatedVersion":2},"c":{"$lastUpdated":"t2","$lastUpdatedVersion":2}},)"
            R"("d":{"$lastUpdated":"t2","$lastUpdatedVersion":2}})");
  StampMerge(metadata, *Parse(R"({"a":{"b":null,"c":{"e":null}},"d":null,"f":1})"), {"t3", 3});
  EXPECT_EQ(Print(metadata),
            R"({"$lastUpdated":"t3","$lastUpdatedVersion":3,)"
            R"("a":{"$lastUpdated":"t3","$lastUpdatedVersion":3,"c":{"$lastUpdated":"t3","$lastUpdatedVersion":3}},)"
            R"("f":{"$lastUpdated":"t3","$lastUpdatedVersion":3}})");
  StampMerge(metadata, *Parse(R"({"a":5})"), {"t4", 4});
  EXPECT_EQ(Print(*metadata.Find("a")), R"({"$lastUpdated":"t4","$lastUpdatedVersion":4})");
}

TEST(TwinRulesTest, ReportedMetadataHasNoVersions) {
  EXPECT_EQ(Print(StampReplace(*Parse(R"({"a":{"b":1}})"), {"t", 0})),
            R"({"$lastUpdated":"t","a":{"$lastUpdated":"t","b":{"$lastUpdated":"t"}}})");
}

TEST(TwinRulesTest, AReplacementTellsWhatIsGone) {
  EXPECT_EQ(Print(ReplacementPatch(*Parse(R"({"a":1,"b":{"x":1}})"), *Parse(R"({"b":2,"c":3})"))),
            R"({"b":2,"c":3,"a":null})");
  EXPECT_EQ(
      Print(ReplacementPatch(*Parse(R"({"o":{"x":1,"y":{"z":1}},"p":{"q":1}})"), *Parse(R"({"o":{"y":{}},"p":1})"))),
      R"({"o":{"y":{"z":null},"x":null},"p":1})");
}

TEST(TwinRulesTest, TimesHaveSevenDigits) {
  EXPECT_EQ(TwinTime(absl::FromUnixMicros(1772600767123456)), "2026-03-04T05:06:07.1234560Z");
}

}  // namespace
}  // namespace fleetcast::json
