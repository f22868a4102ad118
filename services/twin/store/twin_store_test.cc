#include "services/twin/store/twin_store.h"

#include <gmock/gmock.h>

#include <thread>

#include "libs/base/status_macros.h"
#include "libs/json/twin_rules.h"
#include "libs/model/reasons.h"
#include "services/twin/store/feed_store.h"
#include "services/twin/store/record_store.h"
#include "services/twin/store/reported_store.h"
#include "services/twin/store/slice_store.h"
#include "services/twin/store/store_fixture.h"

namespace fleetcast::twin {
namespace {

using testing::IsOk;
using testing::StatusIs;

class TwinStoreTest : public StoreTest {
 protected:
  absl::StatusOr<TwinRow> Patch(const std::string& id, std::string_view tags, std::string_view desired,
                                std::string_view if_match = "") {
    return twins_.Edit(Deadline(), id, *ParseMerge(tags, desired), EtagCondition::Parse(if_match));
  }

  TwinStore twins_{pool_};
};

TEST_F(TwinStoreTest, AFreshTwinLooksAsTheWireSays) {
  Create({"dev-1"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow twin, twins_.Get(Deadline(), "dev-1"));
  const std::string document = TwinDocument(twin);
  const json::Value parsed = *json::Parse(document);
  EXPECT_EQ(parsed.Find("etag")->AsString(), "AAAAAAAAAAE=");
  EXPECT_EQ(parsed.Find("version")->AsInt(), 2);
  EXPECT_EQ(parsed.Find("connectionState")->AsString(), "Disconnected");
  EXPECT_EQ(parsed.Find("lastActivityTime")->AsString(), "0001-01-01T00:00:00Z");
  EXPECT_EQ(parsed.Find("tags"), nullptr);
  EXPECT_EQ(parsed.FindPath({"properties", "desired", "$version"})->AsInt(), 1);
  EXPECT_EQ(parsed.FindPath({"properties", "reported", "$version"})->AsInt(), 1);
  EXPECT_NE(parsed.FindPath({"properties", "desired", "$metadata", "$lastUpdated"}), nullptr);
  EXPECT_EQ(parsed.FindPath({"properties", "desired", "$metadata", "$lastUpdatedVersion"}), nullptr);
  EXPECT_TRUE(parsed.FindPath({"x509Thumbprint", "primaryThumbprint"})->is_null());
}

TEST_F(TwinStoreTest, MergesAndKeepsNumberLiterals) {
  Create({"a"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(TwinRow twin,
                                 Patch("a", R"({"f":1.0,"g":1,"s":"\u00e9 \"x\""})", R"({"p":{"q":-0.50}})"));
  EXPECT_EQ(json::Compact(twin.tags), "{\"f\":1.0,\"g\":1,\"s\":\"\u00e9 \\\"x\\\"\"}");
  EXPECT_EQ(json::Compact(twin.desired), R"({"p":{"q":-0.50}})");
  EXPECT_EQ(twin.etag, 2);
  EXPECT_EQ(twin.version, 3);
  EXPECT_EQ(twin.desired_version, 2);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(twin, Patch("a", R"({"f":null})", ""));
  EXPECT_EQ(json::Parse(twin.tags)->object().size(), 2u);
  EXPECT_EQ(twin.desired_version, 2);
}

TEST_F(TwinStoreTest, ConditionalEditsSucceedOnce) {
  Create({"a"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow twin, Patch("a", R"({"x":1})", "", "AAAAAAAAAAE="));
  EXPECT_THAT(Patch("a", R"({"x":2})", "", "AAAAAAAAAAE="),
              StatusIs(absl::StatusCode::kAborted, reasons::kEtagMismatch));
  EXPECT_THAT(Patch("a", R"({"x":2})", "", "\"AAAAAAAAAAI=\""), IsOk());
  EXPECT_THAT(Patch("nobody", R"({"x":2})", ""), StatusIs(absl::StatusCode::kNotFound, reasons::kDeviceNotFound));
}

// reliability.md T1, T2: eight writers, none lost, versions rise by one.
TEST_F(TwinStoreTest, NoUpdateIsLost) {
  Create({"a"});
  constexpr int kWriters = 8;
  constexpr int kWrites = 25;
  std::vector<std::jthread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < kWrites; ++i) {
        const std::string key = "w" + std::to_string(w);
        const std::string patch =
            "{\"" + key + "\":" + std::to_string(i) + ",\"" + key + "_" + std::to_string(i) + "\":1}";
        EXPECT_THAT(Patch("a", "", patch), IsOk());
      }
    });
  }
  writers.clear();
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow twin, twins_.Get(Deadline(), "a"));
  EXPECT_EQ(twin.desired_version, 1 + kWriters * kWrites);
  EXPECT_EQ(twin.version, 2 + kWriters * kWrites);
  EXPECT_EQ(json::Parse(twin.desired)->object().size(), static_cast<size_t>(kWriters * (kWrites + 1)));
}

TEST_F(TwinStoreTest, ChangesOfOneDeviceAreToldInTheOrderOfTheirVersions) {
  Create({"a"});
  FeedStore feed(pool_);
  FLEETCAST_ASSERT_OK(feed.Lease(Deadline(), "c", "me", absl::Seconds(10)));
  std::vector<std::jthread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&] {
      for (int i = 0; i < 20; ++i) EXPECT_THAT(Patch("a", "", R"({"x":1})"), IsOk());
    });
  }
  int64_t last = 1;
  while (last < 81 && absl::Now() < Deadline()) {
    FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::optional<std::string> low,
                                   feed.Lease(Deadline(), "c", "me", absl::Seconds(10)));
    FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::string high, feed.Snapshot(Deadline()));
    FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<FeedRow> rows, feed.Read(Deadline(), {*low, high}, 0, 1000));
    for (const FeedRow& row : rows) {
      ASSERT_EQ(row.desired_versions, std::vector<int64_t>{last + 1});
      ++last;
    }
    FLEETCAST_ASSERT_OK(feed.Advance(Deadline(), "c", "me", high));
  }
  EXPECT_EQ(last, 81);
}

TEST_F(TwinStoreTest, OnlyOneOwnerPublishesAndHeardRowsGo) {
  Create({"a"});
  FeedStore feed(pool_);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::optional<std::string> mine,
                                 feed.Lease(Deadline(), "c", "me", absl::Seconds(30)));
  ASSERT_TRUE(mine.has_value());
  EXPECT_THAT(feed.Lease(Deadline(), "c", "you", absl::Seconds(30)),
              testing::IsOkAndHolds(::testing::Eq(std::nullopt)));
  EXPECT_THAT(feed.Advance(Deadline(), "c", "you", *mine), testing::IsOkAndHolds(false));
  EXPECT_THAT(Patch("a", "", R"({"x":1})"), IsOk());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::string high, feed.Snapshot(Deadline()));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<FeedRow> rows, feed.Read(Deadline(), {*mine, high}, 0, 10));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].patch, R"({"x":1})");
  EXPECT_THAT(feed.Advance(Deadline(), "c", "me", high), testing::IsOkAndHolds(true));
  EXPECT_THAT(feed.Trim(Deadline(), {"c"}, absl::Hours(1)), testing::IsOkAndHolds(2));
}

class SliceStoreTest : public TwinStoreTest {
 protected:
  absl::StatusOr<SliceResult> Apply(const SliceKey& key, const std::vector<std::string>& ids, const TwinEdit& edit,
                                    std::string_view if_match, absl::Time permit) {
    const Slice slice{key, ids};
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<SliceResult> results,
                               slices_.Apply(Deadline(), {&slice, 1}, edit, if_match, permit));
    return results.at(0);
  }

  SliceStore slices_{pool_};
  const absl::Time always_ = absl::FromCivil(absl::CivilDay(2200, 1, 1), absl::UTCTimeZone());
};

TEST_F(SliceStoreTest, AppliesOnceAndAnswersTheStoredResult) {
  Create({"a", "b", "c"});
  FLEETCAST_ASSERT_OK(
      Patch("b", "{\"big\":[\"" + std::string(4000, 'x') + "\"],\"big2\":[\"" + std::string(4000, 'x') + "\"]}", ""));
  const TwinEdit edit = *ParseMerge("{\"n\":1,\"more\":\"" + std::string(400, 'y') + "\"}", R"({"d":1})");
  for (int repeat = 0; repeat < 3; ++repeat) {
    FLEETCAST_ASSERT_OK_AND_ASSIGN(const SliceResult result,
                                   Apply({1, 2, 3}, {"a", "b", "gone", "c"}, edit, "*", always_));
    EXPECT_TRUE(result.is_applied);
    ASSERT_EQ(result.failures.size(), 2u);
    EXPECT_EQ(result.failures[0].index, 1);
    EXPECT_EQ(result.failures[0].code, 400004);
    EXPECT_EQ(result.failures[0].reason, json::kInvalidTwin);
    EXPECT_EQ(result.failures[1].index, 2);
    EXPECT_EQ(result.failures[1].code, 404001);
  }
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow a, twins_.Get(Deadline(), "a"));
  EXPECT_EQ(a.version, 3);
  EXPECT_EQ(a.desired_version, 2);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow b, twins_.Get(Deadline(), "b"));
  EXPECT_EQ(b.version, 3);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const SliceResult other, Apply({1, 2, 4}, {"a", "c"}, edit, TwinEtag(2), always_));
  EXPECT_TRUE(other.failures.empty());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const SliceResult stale, Apply({1, 2, 5}, {"a"}, edit, TwinEtag(2), always_));
  EXPECT_EQ(stale.failures[0].code, 412001);
}

TEST_F(SliceStoreTest, AnExpiredPermitCommitsNothing) {
  Create({"a"});
  const TwinEdit edit = *ParseMerge(R"({"n":1})", "");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const SliceResult late,
                                 Apply({1, 0, 0}, {"a"}, edit, "", absl::Now() - absl::Seconds(1)));
  EXPECT_FALSE(late.is_applied);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow twin, twins_.Get(Deadline(), "a"));
  EXPECT_EQ(twin.version, 2);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const SliceResult again, Apply({1, 0, 0}, {"a"}, edit, "", always_));
  EXPECT_TRUE(again.is_applied);
}

TEST_F(SliceStoreTest, SlicesOfOneTransactionKeepTheirOwnResults) {
  Create({"a", "b", "c", "d"});
  const TwinEdit edit = *ParseMerge("", R"({"n":1})");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const SliceResult first, Apply({5, 0, 1}, {"c"}, edit, "", always_));
  EXPECT_TRUE(first.failures.empty());
  const std::vector<Slice> slices = {{{5, 0, 0}, {"a", "b"}}, {{5, 0, 1}, {"c"}}, {{5, 0, 2}, {"d", "gone"}}};
  for (int repeat = 0; repeat < 2; ++repeat) {
    FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<SliceResult> results,
                                   slices_.Apply(Deadline(), slices, edit, "", always_));
    ASSERT_EQ(results.size(), 3u);
    for (const SliceResult& result : results) EXPECT_TRUE(result.is_applied);
    EXPECT_TRUE(results[0].failures.empty());
    EXPECT_TRUE(results[1].failures.empty());
    ASSERT_EQ(results[2].failures.size(), 1u);
    EXPECT_EQ(results[2].failures[0].index, 1);
  }
  for (const char* id : {"a", "b", "c", "d"}) {
    FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow twin, twins_.Get(Deadline(), id));
    EXPECT_EQ(twin.desired_version, 2) << id;
  }
}

TEST_F(SliceStoreTest, ADeviceOfTwoSlicesIsWrittenTwice) {
  Create({"a", "b"});
  const TwinEdit edit = *ParseMerge("", R"({"n":1})");
  const std::vector<Slice> slices = {{{5, 0, 0}, {"a", "b"}}, {{5, 0, 1}, {"b"}}};
  FLEETCAST_ASSERT_OK(slices_.Apply(Deadline(), slices, edit, "", always_));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow twin, twins_.Get(Deadline(), "b"));
  EXPECT_EQ(twin.desired_version, 3);
}

// What was applied under an earlier permit stays applied, whatever becomes of the others.
TEST_F(SliceStoreTest, AnExpiredPermitLeavesStoredResults) {
  Create({"a", "b"});
  const TwinEdit edit = *ParseMerge("", R"({"n":1})");
  FLEETCAST_ASSERT_OK(Apply({5, 0, 0}, {"a"}, edit, "", always_));
  const std::vector<Slice> slices = {{{5, 0, 0}, {"a"}}, {{5, 0, 1}, {"b"}}};
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<SliceResult> results,
                                 slices_.Apply(Deadline(), slices, edit, "", absl::Now() - absl::Seconds(1)));
  EXPECT_TRUE(results[0].is_applied);
  EXPECT_FALSE(results[1].is_applied);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow twin, twins_.Get(Deadline(), "b"));
  EXPECT_EQ(twin.desired_version, 1);
}

TEST_F(SliceStoreTest, ConcurrentRepeatsApplyOnce) {
  Create({"a", "b"});
  const TwinEdit edit = *ParseMerge(R"({"n":1})", "");
  std::vector<std::jthread> writers;
  for (int w = 0; w < 6; ++w) {
    writers.emplace_back([&] {
      const absl::StatusOr<SliceResult> result = Apply({9, 0, 0}, {"b", "a"}, edit, "", always_);
      EXPECT_TRUE(result.ok() && result->is_applied) << result.status();
    });
  }
  writers.clear();
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow twin, twins_.Get(Deadline(), "a"));
  EXPECT_EQ(twin.version, 3);
}

class RecordStoreTest : public TwinStoreTest {
 protected:
  RecordStore records_{pool_};
  ReportedStore reported_{pool_};
};

TEST_F(RecordStoreTest, AppliesReportedPatchesInOrderUnderTheFence) {
  Create({"a", "b"});
  const auto patch = [](std::string_view text) { return *json::Parse(text); };
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<ReportedResult> results,
                                 reported_.Apply(Deadline(), {{"b", 5, patch(R"({"x":1})"), 0},
                                                              {"a", 5, patch(R"({"x":1})"), 0},
                                                              {"b", 5, patch(R"({"x":2,"y":1})"), 2},
                                                              {"b", 4, patch(R"({"x":3})"), 0},
                                                              {"b", 6, patch(R"({"x":4})"), 1},
                                                              {"nobody", 5, patch(R"({"x":1})"), 0},
                                                              {"b", 6, patch("{}"), 0}}));
  EXPECT_THAT(results[0], testing::IsOkAndHolds(2));
  EXPECT_THAT(results[1], testing::IsOkAndHolds(2));
  EXPECT_THAT(results[2], testing::IsOkAndHolds(3));
  EXPECT_THAT(results[3], StatusIs(absl::StatusCode::kFailedPrecondition, reasons::kStaleSession));
  EXPECT_THAT(results[4], StatusIs(absl::StatusCode::kAborted, reasons::kVersionMismatch));
  EXPECT_THAT(results[5], StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(results[6], testing::IsOkAndHolds(3));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow twin, twins_.Get(Deadline(), "b"));
  EXPECT_EQ(json::Compact(twin.reported), R"({"x":2,"y":1})");
  EXPECT_EQ(twin.etag, 1);
  EXPECT_EQ(twin.version, 4);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceTwinRow> rows,
                                 records_.ReadTwins(Deadline(), {"b", "nobody"}));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].document, R"({"desired":{"$version":1},"reported":{"x":2,"y":1,"$version":3}})");
}

TEST_F(RecordStoreTest, LooksUpAndStoresSubscriptions) {
  Create({"a", "b"});
  EXPECT_THAT(
      records_.SaveSubscriptions(Deadline(), {{"a", 7, false, 10}, {"nobody", 1, false, 10}, {"a", 3, false, 9}}),
      testing::IsOkAndHolds(::testing::ElementsAre(1, 0, 1)));
  FLEETCAST_ASSERT_OK(records_.SaveSubscriptions(Deadline(), {{"a", 1, false, 8}}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceRecordRow> rows, records_.Lookup(Deadline(), {"a", "nobody"}));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].subscriptions, 7);
  EXPECT_TRUE(rows[0].has_session);
  EXPECT_EQ(rows[0].desired_version, 1);
  FLEETCAST_ASSERT_OK(records_.SaveSubscriptions(Deadline(), {{"a", 0, true, 11}}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceRecordRow> gone, records_.Lookup(Deadline(), {"a"}));
  EXPECT_FALSE(gone[0].has_session);
}

TEST_F(RecordStoreTest, AStoredSessionEndsSoLongAfterItsConnection) {
  Create({"a"});
  const absl::Time now = absl::FromUnixSeconds(1'772'600'767);
  const auto end = [&]() -> int64_t {
    return records_.Lookup(Deadline(), {"a"}).value().at(0).session_end_unix_seconds;
  };
  FLEETCAST_ASSERT_OK(records_.SaveSubscriptions(Deadline(), {{"a", 7, false, 5, 60}}));
  FLEETCAST_ASSERT_OK(records_.RecordPresence(Deadline(), {{"a", 5, true, now, false}}));
  EXPECT_EQ(end(), 0);  // It is connected.
  FLEETCAST_ASSERT_OK(records_.RecordPresence(Deadline(), {{"a", 5, false, now + absl::Milliseconds(10'500), false}}));
  EXPECT_EQ(end(), absl::ToUnixSeconds(now) + 11 + 60);
  // A connection of which only the end was noted moves it.
  FLEETCAST_ASSERT_OK(records_.RecordPresence(Deadline(), {{"a", 6, false, now + absl::Seconds(30), false}}));
  EXPECT_EQ(end(), absl::ToUnixSeconds(now) + 30 + 60);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceRecordRow> rows, records_.Lookup(Deadline(), {"a"}));
  EXPECT_EQ(rows[0].session_expiry_seconds, 60);
  EXPECT_EQ(rows[0].presence_epoch, 6);
  FLEETCAST_ASSERT_OK(records_.SaveSubscriptions(Deadline(), {{"a", 7, false, 7, 0}}));
  EXPECT_EQ(end(), 0);  // Kept for ever.
}

TEST_F(RecordStoreTest, PresenceOfOlderSessionsIsIgnored) {
  Create({"a"});
  const absl::Time now = absl::FromUnixSeconds(1'772'600'767);
  FLEETCAST_ASSERT_OK(records_.RecordPresence(Deadline(), {{"a", 5, true, now, false}, {"x", 1, true, now, false}}));
  FLEETCAST_ASSERT_OK(records_.RecordPresence(Deadline(), {{"a", 4, false, now + absl::Seconds(1), false}}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(TwinRow twin, twins_.Get(Deadline(), "a"));
  EXPECT_TRUE(twin.is_connected);
  EXPECT_EQ(twin.last_activity_time, now);
  FLEETCAST_ASSERT_OK(records_.RecordPresence(Deadline(), {{"a", 5, false, now + absl::Seconds(2), true}}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(twin, twins_.Get(Deadline(), "a"));
  EXPECT_TRUE(twin.is_connected);
  EXPECT_EQ(twin.last_activity_time, now + absl::Seconds(2));
}

// S2: a process that has just started has seen nothing, and the memory it finds lost may have been any.
TEST_F(RecordStoreTest, EachGenerationIsGivenOnce) {
  EXPECT_THAT(records_.RaiseGeneration(Deadline(), 0), testing::IsOkAndHolds(2));  // The schema begins with 1.
  EXPECT_THAT(records_.RaiseGeneration(Deadline(), 0), testing::IsOkAndHolds(3));
  EXPECT_THAT(records_.RaiseGeneration(Deadline(), 2), testing::IsOkAndHolds(4));
  EXPECT_THAT(records_.RaiseGeneration(Deadline(), 7), testing::IsOkAndHolds(8));
}

}  // namespace
}  // namespace fleetcast::twin
