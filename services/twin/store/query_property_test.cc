// PostgreSQL against the reference of libs/query: generated queries over generated twins must give the same rows.
// FLEETCAST_QUERY_PAIRS (pairs of a document and a query) and FLEETCAST_QUERY_SEED make the run longer and other.
#include <algorithm>
#include <charconv>

#include "libs/config/config.h"
#include "libs/query/interpreter.h"
#include "libs/query/rows.h"
#include "services/twin/store/index_store.h"
#include "services/twin/store/query_generator.h"
#include "services/twin/store/query_store.h"
#include "services/twin/store/record_store.h"
#include "services/twin/store/reported_store.h"
#include "services/twin/store/store_fixture.h"
#include "services/twin/store/twin_store.h"

namespace fleetcast::twin {
namespace {

constexpr query::Collection kDevices = query::Collection::kDevices;
constexpr int kGeneratedDevices = 60;
// A fleet is replaced after so many queries.
constexpr int kQueriesPerFleet = 2000;

int64_t Setting(std::string_view name, int64_t fallback) {
  const std::optional<std::string> text = config::ProcessEnvironment()(name);
  if (text) std::from_chars(text->data(), text->data() + text->size(), fallback);
  return fallback;
}

class QueryPropertyTest : public StoreTest {
 protected:
  // Devices with generated twins, and their documents.
  void Fill(QueryGenerator& generator) {
    std::vector<NewDevice> devices;
    for (int i = 0; i < kGeneratedDevices; ++i) {
      NewDevice device = Device("d" + std::to_string(fleet_ * kGeneratedDevices + i));
      device.settings.is_disabled = generator.Below(3) == 0;
      device.settings.is_iot_edge = generator.Below(3) == 0;
      if (generator.Below(3) == 0) device.settings.status_reason = "a reason";
      if (generator.Below(3) == 0) device.settings.device_scope = "ms-azure-iot-edge://a";
      if (generator.Below(3) == 0) device.settings.parent_scope = "ms-azure-iot-edge://b";
      devices.push_back(device);
    }
    ++fleet_;
    FLEETCAST_ASSERT_OK(pool_.Run(Deadline(), postgres::Statement{"drop_twins", "DELETE FROM twin.twin"}));
    FLEETCAST_ASSERT_OK(pool_.Run(Deadline(), postgres::Statement{"drop_devices", "DELETE FROM twin.device"}));
    FLEETCAST_ASSERT_OK(DeviceStore(pool_).Create(Deadline(), devices));
    for (const NewDevice& device : devices) {
      const std::string& id = device.settings.device_id;
      FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinEdit edit, ParseMerge(generator.Document(2), generator.Document(2)));
      FLEETCAST_ASSERT_OK(TwinStore(pool_).Edit(Deadline(), id, edit, EtagCondition::Parse("")));
      FLEETCAST_ASSERT_OK(ReportedStore(pool_).Apply(Deadline(), {{id, 1, *json::Parse(generator.Document(2)), 0}}));
      if (generator.Below(4) == 0) continue;
      FLEETCAST_ASSERT_OK(
          RecordStore(pool_).RecordPresence(Deadline(), {{id, 1, generator.Below(2) == 0, absl::Now(), false}}));
    }
    FLEETCAST_ASSERT_OK_AND_ASSIGN(TwinPage all, QueryStore(pool_).Twins(Deadline(), kDevices, std::nullopt, {}, 1000));
    twins_ = std::move(all.twins);
    ASSERT_EQ(twins_.size(), static_cast<size_t>(kGeneratedDevices));
    documents_.clear();
    for (const TwinRow& twin : twins_) documents_.push_back(*json::Parse(TwinDocument(twin)));
  }

  void CompareCondition(QueryStore& queries, const std::string& text) {
    const absl::StatusOr<query::Condition> condition = query::ParseCondition(text);
    ASSERT_THAT(condition, testing::IsOk()) << text;
    std::vector<std::string> expected;
    for (size_t d = 0; d < documents_.size(); ++d) {
      if (query::Matches(*condition->expression, documents_[d])) expected.push_back(twins_[d].device_id);
    }
    const absl::StatusOr<std::vector<std::string>> found = queries.Ids(Deadline(), *condition, "", 1000);
    ASSERT_THAT(found, testing::IsOk()) << text;
    ASSERT_EQ(*found, expected) << text;
    if (!expected.empty() && expected.size() < documents_.size()) ++selective_;
  }

  // Rows in any order; numbers by value.
  void CompareGroups(QueryStore& queries, const std::string& text) {
    const absl::StatusOr<query::Query> query = query::ParseQuery(text);
    ASSERT_THAT(query, testing::IsOk()) << text;
    std::vector<json::Value> expected = query::SelectRows(*query, documents_);
    const absl::StatusOr<std::vector<std::string>> found = queries.Groups(Deadline(), *query, 0, 1000);
    ASSERT_THAT(found, testing::IsOk()) << text;
    ASSERT_EQ(found->size(), expected.size()) << text;
    for (const std::string& row : *found) {
      const absl::StatusOr<json::Value> value = json::Parse(row);
      ASSERT_THAT(value, testing::IsOk()) << row;
      const auto same = std::find(expected.begin(), expected.end(), *value);
      ASSERT_NE(same, expected.end()) << text << " has no row " << row;
      expected.erase(same);
    }
  }

  // `is_selective`: as if an index had found the page before (TwinPage).
  void CompareProjection(QueryStore& queries, const std::string& text, bool is_selective) {
    const absl::StatusOr<query::Query> query = query::ParseQuery(text);
    ASSERT_THAT(query, testing::IsOk()) << text;
    const auto found = queries.Twins(Deadline(), kDevices, query->where, {}, 1000, is_selective);
    ASSERT_THAT(found, testing::IsOk()) << text;
    const std::vector<json::Value> expected = query::SelectRows(*query, documents_);
    ASSERT_EQ(found->twins.size(), expected.size()) << text;
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(json::Print(query::Project(query->items, *json::Parse(TwinDocument(found->twins[i])))),
                json::Print(expected[i]))
          << text;
    }
  }

  int fleet_ = 0;
  int64_t selective_ = 0;  // Conditions that selected some devices and left out others.
  std::vector<TwinRow> twins_;
  std::vector<json::Value> documents_;
};

TEST_F(QueryPropertyTest, DatabaseAndReferenceAgree) {
  const int64_t pairs = Setting("FLEETCAST_QUERY_PAIRS", 180'000);
  const auto seed = static_cast<uint64_t>(Setting("FLEETCAST_QUERY_SEED", 20260304));
  QueryGenerator generator(seed);
  // Half of the queries are compiled as if some paths had indexes of their own.
  QueryStore plain(pool_);
  QueryStore indexed(pool_, *ParseIndexPaths({"tags.a", "reported.a", "desired.b.c", "tags.group"}));
  int64_t queries = 0;
  for (; queries * kGeneratedDevices < pairs && !HasFatalFailure(); ++queries) {
    if (queries % kQueriesPerFleet == 0) Fill(generator);
    QueryStore& store = generator.Below(2) == 0 ? plain : indexed;
    switch (generator.Below(8)) {
      case 0: CompareGroups(store, generator.GroupQuery()); break;
      case 1: CompareProjection(store, generator.Projection(), generator.Below(2) == 0); break;
      default: CompareCondition(store, generator.Condition(static_cast<int>(generator.Below(4)))); break;
    }
  }
  RecordProperty("pairs", std::to_string(queries * kGeneratedDevices));
  RecordProperty("selective", std::to_string(selective_));
  EXPECT_GT(selective_, queries / 10);
  EXPECT_FALSE(HasFatalFailure()) << "seed " << seed << ", query " << queries;
}

TEST_F(QueryPropertyTest, TimesCompareAsInstants) {
  Create({"old", "new"});
  const auto at = [](std::string_view text) {
    absl::Time time;
    EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, absl::string_view(text.data(), text.size()), &time, nullptr));
    return time;
  };
  FLEETCAST_ASSERT_OK(RecordStore(pool_).RecordPresence(
      Deadline(),
      {{"old", 1, true, at("2026-03-04T05:06:07.5Z"), false}, {"new", 1, true, at("2026-03-05T00:00:00Z"), false}}));
  QueryStore queries(pool_);
  const auto ids = [&](std::string_view condition) {
    return queries.Ids(Deadline(), *query::ParseCondition(condition), "", 10);
  };
  using Ids = std::vector<std::string>;
  EXPECT_THAT(ids("lastActivityTime < '2026-03-05'"), testing::IsOkAndHolds(Ids{"old"}));
  EXPECT_THAT(ids("lastActivityTime >= '2026-03-05T02:00:00+02:00'"), testing::IsOkAndHolds(Ids{"new"}));
  EXPECT_THAT(ids("properties.desired.$metadata.$lastUpdated > '2020-01-01'"),
              testing::IsOkAndHolds(Ids{"new", "old"}));
  EXPECT_THAT(ids("statusUpdateTime = '0001-01-01T00:00:00Z'"), testing::IsOkAndHolds(Ids{"new", "old"}));
}

TEST_F(QueryPropertyTest, CountsAndGroups) {
  Create({"a", "b", "c", "d"});
  TwinStore twins(pool_);
  for (const auto& [id, tags] : std::vector<std::pair<std::string, std::string>>{
           {"a", R"({"site":"x"})"}, {"b", R"({"site":"x"})"}, {"c", R"({"site":{"no":1}})"}}) {
    FLEETCAST_ASSERT_OK(twins.Edit(Deadline(), id, *ParseMerge(tags, ""), EtagCondition::Parse("")));
  }
  QueryStore queries(pool_);
  EXPECT_THAT(
      queries.Groups(Deadline(),
                     *query::ParseQuery("SELECT tags.site AS s, COUNT() AS n FROM devices GROUP BY tags.site"), 0, 100),
      testing::IsOkAndHolds(std::vector<std::string>{R"({"s":"x","n":2})", R"({"n":2})"}));
  EXPECT_THAT(
      queries.Groups(Deadline(), *query::ParseQuery("SELECT COUNT() FROM devices WHERE tags.site = 'nowhere'"), 0, 100),
      testing::IsOkAndHolds(std::vector<std::string>{R"({"$1":0})"}));
}

TEST_F(QueryPropertyTest, TheCountOfAllFollowsTheRegistry) {
  QueryStore queries(pool_);
  const auto count = [&](const std::string& collection) {
    const auto rows =
        queries.Groups(Deadline(), *query::ParseQuery("SELECT COUNT() AS n, COUNT() FROM " + collection), 0, 100);
    EXPECT_THAT(rows, testing::IsOkAndHolds(::testing::SizeIs(1)));
    return rows.ok() && rows->size() == 1 ? (*rows)[0] : "";
  };
  EXPECT_EQ(count("devices"), R"({"n":0,"$1":0})");
  Create({"a", "b", "c"});
  NewDevice module = Device("a");
  module.settings.module_id = "m";
  FLEETCAST_ASSERT_OK(DeviceStore(pool_).CreateModule(Deadline(), module));
  EXPECT_EQ(count("devices"), R"({"n":3,"$1":3})");
  EXPECT_EQ(count("devices.modules"), R"({"n":1,"$1":1})");
  FLEETCAST_ASSERT_OK(DeviceStore(pool_).Delete(Deadline(), "a", EtagCondition::Parse("*")));
  EXPECT_EQ(count("devices"), R"({"n":2,"$1":2})");
  EXPECT_EQ(count("devices.modules"), R"({"n":0,"$1":0})");
  // What is rolled back was never counted.
  const absl::Status refused = pool_.Transact(Deadline(), [](postgres::Transaction& transaction) -> absl::Status {
    const absl::Status deleted = transaction.RunScript("DELETE FROM twin.device");
    return deleted.ok() ? absl::FailedPreconditionError("no") : deleted;
  });
  EXPECT_THAT(refused, testing::StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(count("devices"), R"({"n":2,"$1":2})");
}

TEST_F(QueryPropertyTest, CountsTargetsConnectedOnesAndASampleAtOnce) {
  Create({"a,b", "b", "c", "d\"e", "null"});
  TwinStore twins(pool_);
  for (const char* id : {"a,b", "b", "d\"e"}) {
    FLEETCAST_ASSERT_OK(twins.Edit(Deadline(), id, *ParseMerge(R"({"site":"x"})", ""), EtagCondition::Parse("")));
  }
  FLEETCAST_ASSERT_OK(RecordStore(pool_).RecordPresence(
      Deadline(), {{"b", 1, true, absl::Now(), false}, {"c", 1, true, absl::Now(), false}}));
  using Ids = std::vector<std::string>;
  QueryStore queries(pool_);
  const auto count = [&](const std::string& condition, int sample_size) {
    auto counted = queries.Count(Deadline(), *query::ParseCondition(condition), sample_size);
    EXPECT_THAT(counted, testing::IsOk());
    return counted.value_or(TargetCount());
  };
  const TargetCount tagged = count("tags.site = 'x'", 10);
  EXPECT_EQ(tagged.count, 3);
  EXPECT_EQ(tagged.connected, 1);
  EXPECT_EQ(tagged.sample, (Ids{"a,b", "b", "d\"e"}));
  EXPECT_EQ(count("*", 2).sample, (Ids{"a,b", "b"}));
  EXPECT_EQ(count("*", 0).sample, Ids{});
  EXPECT_EQ(count("*", 10).sample, (Ids{"a,b", "b", "c", "d\"e", "null"}));
  EXPECT_EQ(count("connectionState = 'Connected' AND tags.site = 'x'", 10).sample, Ids{"b"});
  EXPECT_EQ(count("deviceId = 'nobody'", 10).count, 0);
}

TEST_F(QueryPropertyTest, HugeConditionsAreAnswered) {
  Create({"device-000007"});
  std::string list;
  for (int i = 0; i < 30'000; ++i) {
    const std::string number = std::to_string(i);
    list += (i > 0 ? ",'device-" : "'device-") + std::string(6 - number.size(), '0') + number + "'";
  }
  QueryStore queries(pool_);
  EXPECT_THAT(queries.Ids(Deadline(), *query::ParseCondition("deviceId IN [" + list + "]"), "", 10),
              testing::IsOkAndHolds(std::vector<std::string>{"device-000007"}));
  std::string terms = "tags.a = 0";
  for (int i = 1; i < 400; ++i) terms += " AND NOT tags.a.b = " + std::to_string(i);
  EXPECT_THAT(queries.Ids(Deadline(), *query::ParseCondition(terms), "", 10), testing::IsOk());
  const std::string nested = std::string(190, '(') + "tags.a = 1" + std::string(190, ')');
  EXPECT_THAT(queries.Ids(Deadline(), *query::ParseCondition("NOT NOT NOT " + nested), "", 10), testing::IsOk());
}

}  // namespace
}  // namespace fleetcast::twin
