#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/query/job_filter.h"
#include "libs/query/query.h"

namespace fleetcast::query {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ParserTest, ReadsWholeQueries) {
  const absl::StatusOr<Query> query = ParseQuery(
      "select top 5 DeviceID, tags.site as place, properties.desired.hostAddress\n from devices where 1 = 1;");
  ASSERT_TRUE(query.ok()) << query.status();
  EXPECT_EQ(query->top, 5);
  EXPECT_EQ(query->collection, Collection::kDevices);
  ASSERT_EQ(query->items.size(), 3u);
  EXPECT_EQ(query->items[0].name, "deviceId");
  EXPECT_EQ(query->items[1].name, "place");
  EXPECT_EQ(query->items[2].name, "hostAddress");
  EXPECT_TRUE(query->where.has_value());
  EXPECT_FALSE(query->is_aggregate());
}

TEST(ParserTest, ReadsAggregates) {
  const absl::StatusOr<Query> query =
      ParseQuery("SELECT tags.SiteId, COUNT(), count(*) n FROM devices GROUP BY tags.SiteId");
  ASSERT_TRUE(query.ok()) << query.status();
  EXPECT_TRUE(query->is_aggregate());
  EXPECT_EQ(query->items[0].name, "SiteId");
  EXPECT_EQ(query->items[1].name, "$1");
  EXPECT_EQ(query->items[2].name, "n");
}

TEST(ParserTest, RefusesWhatTheLanguageLacks) {
  for (const std::string_view text : {"",
                                      " ",
                                      "SELECT",
                                      "SELECT * devices",
                                      "SELECT * FROM twins",
                                      "SELECT *, deviceId FROM devices",
                                      "SELECT deviceId, COUNT() FROM devices",
                                      "SELECT * FROM devices ORDER BY deviceId",
                                      "SELECT TOP 0 * FROM devices",
                                      "SELECT TOP -1 * FROM devices",
                                      "SELECT TOP 1e9 * FROM devices",
                                      "SELECT * FROM devices WHERE",
                                      "SELECT * FROM devices WHERE a = = 1",
                                      "SELECT * FROM devices WHERE 'unterminated",
                                      "SELECT * FROM devices WHERE a IN 'x'",
                                      "SELECT * FROM devices WHERE nosuch(deviceId)",
                                      "SELECT * FROM devices GROUP BY tags.a",
                                      "SELECT tags.b, COUNT() FROM devices GROUP BY tags.a",
                                      "SELECT * FROM devices WHERE STARTSWITH(deviceId)",
                                      "SELECT * FROM devices WHERE a = 1 = 2",
                                      "SELECT * FROM devices WHERE a LIKE 'x'",
                                      "SELECT DISTINCT a FROM devices",
                                      "SELECT * FROM devices; SELECT",
                                      "SELECT * FROM devices WHERE a = 0x",
                                      "SELECT * FROM devices WHERE a = 1x",
                                      "SELECT * FROM devices WHERE a = 1e999",
                                      "SELECT * FROM devices WHERE a = '\\q'",
                                      "SELECT * FROM devices WHERE a = '\\u0000'",
                                      "SELECT * FROM devices WHERE a = '\\ud800'",
                                      "SELECT * FROM devices WHERE [[a = 1",
                                      "SELECT * FROM devices WHERE a--",
                                      "SELECT * FROM devices WHERE a /* x */ = 1",
                                      "SELECT * FROM devices WHERE COUNT() = 1",
                                      "SELECT * FROM devices WHERE a = \xff",
                                      "SELECT * FROM devices WHERE a = \u201cx\u201d OR \\"}) {
    const absl::Status status = ParseQuery(text).status();
    EXPECT_EQ(GetReason(status), kInvalidQuery) << text;
    EXPECT_THAT(std::string(status.message()), StartsWith("Line ")) << text;
  }
  EXPECT_FALSE(ParseQuery(std::string_view("SELECT * FROM devices\0", 22)).ok());
}

TEST(ParserTest, SaysWhere) {
  const absl::Status status = ParseQuery("SELECT *\nFROM devices\n  WHERE \u00e9 = $ !").status();
  EXPECT_EQ(GetErrorDetail(status).metadata.at("line"), "3");
  EXPECT_EQ(GetErrorDetail(status).metadata.at("column"), "15");
  EXPECT_THAT(std::string(status.message()), StartsWith("Line 3:15 Unexpected character at input \"!\""));
  EXPECT_THAT(std::string(ParseQuery("SELECT * FROM devices WHERE LOWERED(a) = 'x'").status().message()),
              HasSubstr("Line 1:29 unknown function"));
}

TEST(ParserTest, ReadsConditionsOfJobs) {
  EXPECT_FALSE(ParseCondition(" * ")->expression.has_value());
  EXPECT_TRUE(ParseCondition("DeviceId IN ['a', 'b']")->expression.has_value());
  EXPECT_TRUE(ParseCondition("deviceId NOT IN ('a', 'b')")->expression->is_negated);
  EXPECT_EQ(PathText(ParseCondition("SELECT * FROM devices WHERE tags.a = 1")->expression->args[0].path), "tags.a");
  EXPECT_FALSE(ParseCondition("SELECT * FROM devices")->expression.has_value());
  for (const std::string_view text : {"", "* AND a = 1", "SELECT deviceId FROM devices", "SELECT TOP 1 * FROM devices",
                                      "FROM devices.modules", "SELECT * FROM devices.jobs", "a = 1 GROUP BY b"}) {
    EXPECT_EQ(GetReason(ParseCondition(text).status()), kInvalidCondition) << text;
  }
}

TEST(ParserTest, BoundsEverything) {
  const auto repeat = [](std::string_view text, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += text;
    return out;
  };
  EXPECT_FALSE(ParseCondition(repeat("(", 10'000) + "1=1" + repeat(")", 10'000)).ok());
  EXPECT_TRUE(ParseCondition(repeat("(", 150) + "1=1" + repeat(")", 150)).ok());
  EXPECT_FALSE(ParseCondition(repeat("NOT ", 20'000) + "a").ok());
  EXPECT_FALSE(ParseCondition(repeat("a=1 AND ", 20'000) + "b=1").ok());
  EXPECT_FALSE(ParseCondition("a = 1" + repeat(" + 1", 20'000)).ok());
  EXPECT_FALSE(ParseCondition(repeat("ABS(", 65) + "a" + repeat(")", 65)).ok());
  EXPECT_TRUE(ParseCondition(repeat("ABS(", 64) + "a" + repeat(")", 64)).ok());
  EXPECT_FALSE(ParseCondition("deviceId IN [" + repeat("'x',", 40'000) + "'y']").ok());
  EXPECT_TRUE(ParseCondition("deviceId IN [" + repeat("'device-000001',", 29'999) + "'y']").ok());
  EXPECT_FALSE(ParseCondition("deviceId = '" + repeat("x", 1 << 20) + "'").ok());
  EXPECT_FALSE(ParseQuery("SELECT * FROM devices WHERE a" + repeat(".b", 100)).ok());
}

TEST(ParserTest, SystemMembersHaveOneSpelling) {
  const auto path = [](std::string_view condition) {
    const absl::StatusOr<Condition> parsed = ParseCondition(condition);
    return parsed.ok() ? PathText(parsed->expression->args[0].path) : std::string(parsed.status().message());
  };
  EXPECT_EQ(path("DEVICEID = 1"), "deviceId");
  EXPECT_EQ(path("Devices.deviceid = 1"), "deviceId");
  EXPECT_EQ(path("id = 1"), "deviceId");
  EXPECT_EQ(path("PROPERTIES.Reported.FW.V = 1"), "properties.reported.FW.V");
  EXPECT_EQ(path("devices.Tags.Site = 1"), "tags.Site");
  EXPECT_EQ(path("Capabilities.IOTEDGE = 1"), "capabilities.iotEdge");
  EXPECT_EQ(path("tags.group.[[order]]['x y'][3] = 1"), "tags.group.order.x y[3]");
  EXPECT_EQ(path("myProp = 1"), "myProp");
}

TEST(ParserTest, TheStrictProfileHasNoExtensions) {
  for (const std::string_view text :
       {"SELECT * FROM devices WHERE LOWER(tags.a) = 'x'", "SELECT * FROM devices WHERE tags.a IN ('x')",
        "SELECT * FROM devices WHERE tags.a NOT IN ['x']", "SELECT * FROM devices WHERE -tags.a = 1",
        "SELECT * FROM devices WHERE tags.group = 1", "SELECT * FROM devices WHERE tags['a'] = 1",
        "SELECT * FROM devices WHERE tags.a = 'it''s'", "SELECT * FROM devices;", "SELECT deviceId FROM devices.jobs",
        "SELECT tags.a, COUNT() FROM devices GROUP BY tags.a, tags.b", "SELECT COUNT() FROM devices.modules",
        "SELECT * FROM devices WHERE IS_NULL(tags.a)", "SELECT * FROM devices WHERE CONTAINS(tags.a, 'x')"}) {
    EXPECT_TRUE(ParseQuery(text).ok()) << text << ": " << ParseQuery(text).status();
    EXPECT_EQ(GetReason(ParseQuery(text, Profile::kStrict).status()), kInvalidQuery) << text;
  }
  for (const std::string_view text :
       {"SELECT * FROM devices WHERE tags.[[group]] = -1 AND tags.a NIN [1] AND NOT startswith(deviceId, 'x')",
        "SELECT TOP 3 deviceId AS d, tags FROM devices WHERE tags.a * 2 > 1 AND ARRAY_CONTAINS(parentScopes, 'x')",
        "SELECT tags.a, COUNT() AS n, AVG(tags.b) AS m FROM devices GROUP BY tags.a"}) {
    EXPECT_TRUE(ParseQuery(text, Profile::kStrict).ok()) << text << ": " << ParseQuery(text, Profile::kStrict).status();
  }
  EXPECT_FALSE(ParseCondition("SELECT * FROM devices WHERE tags.a = 1", Profile::kStrict).ok());
}

TEST(ParserTest, ReadsModulesAndJobs) {
  const absl::StatusOr<Query> modules =
      ParseQuery("SELECT properties.desired.hostAddress, deviceId FROM devices.modules WHERE devices.deviceId = 'x'");
  ASSERT_TRUE(modules.ok()) << modules.status();
  EXPECT_EQ(modules->collection, Collection::kModules);
  EXPECT_EQ(modules->items[0].name, "hostAddress");
  const absl::StatusOr<Query> jobs =
      ParseQuery("SELECT devices.jobs.status, COUNT() AS n FROM devices.jobs WHERE jobId = 'j' GROUP BY status");
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  EXPECT_EQ(jobs->collection, Collection::kJobs);
  EXPECT_FALSE(ParseQuery("SELECT AVG(status) FROM devices.jobs").ok());
  EXPECT_FALSE(ParseQuery("SELECT jobType, COUNT() FROM devices.jobs GROUP BY jobType").ok());
}

TEST(JobFilterTest, TakesEqualitiesAndLeavesTheRest) {
  const auto split = [](std::string_view text) { return SplitJobFilter(ParseQuery(text)->where); };
  const JobFilter filter = split(
      "SELECT * FROM devices.jobs WHERE devices.jobs.deviceId = 'd' AND devices.jobs.jobType = 'scheduleTwinUpdate' "
      "AND 'cancelled' = devices.jobs.status AND devices.jobs.createdTimeUtc > '2026-03-01'");
  EXPECT_EQ(filter.device_id, "d");
  EXPECT_EQ(filter.job_type, "scheduleUpdateTwin");
  EXPECT_EQ(filter.status, "canceled");
  ASSERT_TRUE(filter.residual.has_value());
  EXPECT_EQ(PathText(filter.residual->args[0].path), "createdDateTimeUtc");
  EXPECT_FALSE(split("SELECT * FROM devices.jobs WHERE jobId = 'j'").residual.has_value());
  EXPECT_TRUE(split("SELECT * FROM devices.jobs WHERE jobId = 'j' AND jobId = 'k'").is_empty);
  EXPECT_TRUE(split("SELECT * FROM devices.jobs WHERE jobId = 'j' OR jobId = 'k'").residual.has_value());
  EXPECT_FALSE(split("SELECT * FROM devices.jobs").residual.has_value());
}

}  // namespace
}  // namespace fleetcast::query
