// Modules: identities and twins of their own, which live and die with their device.
#include <gmock/gmock.h>

#include "libs/model/reasons.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/feed_store.h"
#include "services/twin/store/identity_writer.h"
#include "services/twin/store/record_store.h"
#include "services/twin/store/reported_store.h"
#include "services/twin/store/store_fixture.h"
#include "services/twin/store/twin_store.h"

namespace fleetcast::twin {
namespace {

using testing::IsOk;
using testing::StatusIs;

class ModuleStoreTest : public StoreTest {
 protected:
  static NewDevice Module(const Identity& identity) {
    NewDevice module;
    module.settings.device_id = identity.device_id;
    module.settings.module_id = identity.module_id;
    module.settings.keys = Vault().Seal(identity, {"a2V5LW9uZS1rZXktb25l", "a2V5LXR3by1rZXktdHdv"});
    module.twin = FreshTwin(absl::Now());
    return module;
  }

  absl::StatusOr<DeviceRow> CreateModule(const std::string& device, const std::string& module) {
    return devices_.CreateModule(Deadline(), Module({device, module}));
  }

  DeviceStore devices_{pool_};
  TwinStore twins_{pool_};
  RecordStore records_{pool_};
};

TEST_F(ModuleStoreTest, CreatesReadsUpdatesAndDeletes) {
  Create({"d"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow created, CreateModule("d", "m"));
  EXPECT_EQ(created.settings.module_id, "m");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow read, devices_.Get(Deadline(), Identity{"d", "m"}));
  EXPECT_EQ(read.etag, created.etag);
  EXPECT_EQ(read.settings.keys.sealed, created.settings.keys.sealed);
  DeviceSettings settings = read.settings;
  settings.managed_by = "me";
  const std::string etag = DeviceEtag(static_cast<uint64_t>(read.etag));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow updated,
                                 devices_.Update(Deadline(), settings, EtagCondition::Parse(etag)));
  EXPECT_EQ(updated.settings.managed_by, "me");
  EXPECT_EQ(updated.generation_id, read.generation_id);
  EXPECT_THAT(devices_.Update(Deadline(), settings, EtagCondition::Parse(etag)),
              StatusIs(absl::StatusCode::kAborted, reasons::kEtagMismatch));
  EXPECT_THAT(devices_.Delete(Deadline(), Identity{"d", "m"}, EtagCondition::Parse(etag)),
              StatusIs(absl::StatusCode::kAborted, reasons::kEtagMismatch));
  FLEETCAST_ASSERT_OK(devices_.Delete(Deadline(), Identity{"d", "m"}, EtagCondition::Parse("*")));
  EXPECT_THAT(devices_.Get(Deadline(), Identity{"d", "m"}),
              StatusIs(absl::StatusCode::kNotFound, reasons::kModuleNotFound));
  EXPECT_THAT(twins_.Get(Deadline(), Identity{"d", "m"}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(devices_.Get(Deadline(), "d"), IsOk());
}

TEST_F(ModuleStoreTest, NeedsItsDevice) {
  EXPECT_THAT(CreateModule("d", "m"), StatusIs(absl::StatusCode::kNotFound, reasons::kDeviceNotFound));
  EXPECT_THAT(devices_.Get(Deadline(), Identity{"d", "m"}),
              StatusIs(absl::StatusCode::kNotFound, reasons::kDeviceNotFound));
  EXPECT_THAT(devices_.ListModules(Deadline(), "d"), StatusIs(absl::StatusCode::kNotFound, reasons::kDeviceNotFound));
  Create({"d"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceRow> none, devices_.ListModules(Deadline(), "d"));
  EXPECT_TRUE(none.empty());
}

TEST_F(ModuleStoreTest, ADeviceHasFiftyAtMost) {
  Create({"d"});
  for (int i = 0; i < kModulesPerDeviceMax; ++i) FLEETCAST_ASSERT_OK(CreateModule("d", absl::StrCat("m", i)));
  EXPECT_THAT(CreateModule("d", "m0"), StatusIs(absl::StatusCode::kAlreadyExists, reasons::kModuleAlreadyExists));
  EXPECT_THAT(CreateModule("d", "more"), StatusIs(absl::StatusCode::kFailedPrecondition, reasons::kTooManyModules));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceRow> all, devices_.ListModules(Deadline(), "d"));
  EXPECT_EQ(all.size(), static_cast<size_t>(kModulesPerDeviceMax));
}

TEST_F(ModuleStoreTest, ManyAtOnceNeverExceedTheLimit) {
  Create({"d"});
  for (int i = 0; i < kModulesPerDeviceMax - 2; ++i) FLEETCAST_ASSERT_OK(CreateModule("d", absl::StrCat("m", i)));
  std::atomic<int> created = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] { created += CreateModule("d", absl::StrCat("late", i)).ok() ? 1 : 0; });
    }
  }
  EXPECT_EQ(created, 2);
}

TEST_F(ModuleStoreTest, GoesWithItsDeviceAndIsToldOf) {
  Create({"d", "d-"});
  FLEETCAST_ASSERT_OK(CreateModule("d", "m"));
  FLEETCAST_ASSERT_OK(CreateModule("d-", "m"));
  FeedStore feed(pool_);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::optional<std::string> low,
                                 feed.Lease(Deadline(), "c", "me", absl::Seconds(10)));
  FLEETCAST_ASSERT_OK(devices_.Delete(Deadline(), "d", EtagCondition::Parse("*")));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::string high, feed.Snapshot(Deadline()));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<FeedRow> rows, feed.Read(Deadline(), {*low, high}, 0, 10));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].device_ids, std::vector<std::string>{"d/m"});
  EXPECT_TRUE(rows[0].is_disconnect);
  EXPECT_EQ(rows[1].device_ids, std::vector<std::string>{"d"});
  Create({"d"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceRow> none, devices_.ListModules(Deadline(), "d"));
  EXPECT_TRUE(none.empty());
  EXPECT_THAT(devices_.Get(Deadline(), Identity{"d-", "m"}), IsOk());
}

TEST_F(ModuleStoreTest, HasATwinOfItsOwn) {
  Create({"d"});
  FLEETCAST_ASSERT_OK(CreateModule("d", "m"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinEdit edit, ParseMerge(R"({"a":1})", R"({"b":2.0})"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(
      const TwinRow twin, twins_.Edit(Deadline(), Identity{"d", "m"}, edit, EtagCondition::Parse("AAAAAAAAAAE=")));
  EXPECT_EQ(twin.module_id, "m");
  EXPECT_EQ(twin.desired, R"({"b": 2.0})");
  EXPECT_EQ(twin.desired_version, 2);
  const std::string document = TwinDocument(twin);
  EXPECT_THAT(document, ::testing::StartsWith(R"({"deviceId":"d","moduleId":"m","etag":"AAAAAAAAAAI=")"));
  EXPECT_THAT(document, ::testing::Not(::testing::HasSubstr("capabilities")));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinEdit replacement, ParseReplacement("", R"({"c":3})"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow replaced,
                                 twins_.Edit(Deadline(), Identity{"d", "m"}, replacement, EtagCondition::Parse("*")));
  EXPECT_EQ(replaced.tags, "{}");
  EXPECT_EQ(replaced.desired, R"({"c": 3})");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow device, twins_.Get(Deadline(), "d"));
  EXPECT_EQ(device.desired, "{}");
  EXPECT_THAT(twins_.Edit(Deadline(), "d/m", edit, EtagCondition::Parse("*")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(twins_.Edit(Deadline(), Identity{"d", "x"}, edit, EtagCondition::Parse("*")),
              StatusIs(absl::StatusCode::kNotFound, reasons::kModuleNotFound));
}

TEST_F(ModuleStoreTest, IsLookedUpLikeADeviceAndDisabledWithIt) {
  Create({"d"});
  FLEETCAST_ASSERT_OK(CreateModule("d", "m"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(std::vector<DeviceRecordRow> found,
                                 records_.Lookup(Deadline(), {"d", "d/m", "d/x", "x/m"}));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[1].identity.ToString(), "d/m");
  EXPECT_FALSE(found[1].is_disabled);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const KeyTexts keys, Vault().Open({"d", "m"}, found[1].keys));
  EXPECT_EQ(keys.secondary, "a2V5LXR3by1rZXktdHdv");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow device, devices_.Get(Deadline(), "d"));
  DeviceSettings off = device.settings;
  off.is_disabled = true;
  FLEETCAST_ASSERT_OK(devices_.Update(Deadline(), off, EtagCondition::Parse("*")));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(found, records_.Lookup(Deadline(), {"d/m"}));
  EXPECT_TRUE(found[0].is_disabled);
}

TEST_F(ModuleStoreTest, StoresSubscriptionsOfItsOwn) {
  Create({"d"});
  FLEETCAST_ASSERT_OK(CreateModule("d", "m"));
  EXPECT_THAT(
      records_.SaveSubscriptions(
          Deadline(), {{"d", 1, false, 10}, {"d/m", 7, false, 10}, {"d/x", 1, false, 10}, {"d/m", 3, false, 9}}),
      testing::IsOkAndHolds(::testing::ElementsAre(1, 1, 0, 1)));
  FLEETCAST_ASSERT_OK(records_.SaveSubscriptions(Deadline(), {{"d/m", 2, false, 8}}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceRecordRow> found, records_.Lookup(Deadline(), {"d", "d/m"}));
  EXPECT_EQ(found[0].subscriptions, 1);
  EXPECT_EQ(found[1].subscriptions, 7);
  EXPECT_TRUE(found[1].has_session);
  FLEETCAST_ASSERT_OK(records_.SaveSubscriptions(Deadline(), {{"d/m", 2, false, 11, 60}}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceRecordRow> kept, records_.Lookup(Deadline(), {"d", "d/m"}));
  EXPECT_EQ(kept[0].session_expiry_seconds, 0);
  EXPECT_EQ(kept[1].session_expiry_seconds, 60);
}

TEST_F(ModuleStoreTest, HasAPresenceOfItsOwn) {
  Create({"d"});
  FLEETCAST_ASSERT_OK(CreateModule("d", "m"));
  const absl::Time now = absl::FromUnixSeconds(1'772'600'767);
  FLEETCAST_ASSERT_OK(
      records_.RecordPresence(Deadline(), {{"d/m", 5, true, now, false}, {"d/x", 1, true, now, false}}));
  FLEETCAST_ASSERT_OK(records_.RecordPresence(Deadline(), {{"d/m", 4, false, now, false}}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow module, devices_.Get(Deadline(), Identity{"d", "m"}));
  EXPECT_TRUE(module.is_connected);
  EXPECT_EQ(module.last_activity_time, now);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow twin, twins_.Get(Deadline(), Identity{"d", "m"}));
  EXPECT_TRUE(twin.is_connected);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow device, devices_.Get(Deadline(), "d"));
  EXPECT_FALSE(device.is_connected);
}

TEST_F(ModuleStoreTest, ReportsToItsOwnTwinUnderItsOwnFence) {
  Create({"d"});
  FLEETCAST_ASSERT_OK(CreateModule("d", "m"));
  ReportedStore reported(pool_);
  const auto patch = [](std::string_view text) { return *json::Parse(text); };
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<ReportedResult> results,
                                 reported.Apply(Deadline(), {{"d", 9, patch(R"({"x":1})"), 0},
                                                             {"d/m", 5, patch(R"({"y":1})"), 0},
                                                             {"d/m", 4, patch(R"({"y":2})"), 0},
                                                             {"d/x", 5, patch(R"({"y":1})"), 0}}));
  EXPECT_THAT(results[0], testing::IsOkAndHolds(2));
  EXPECT_THAT(results[1], testing::IsOkAndHolds(2));
  EXPECT_THAT(results[2], StatusIs(absl::StatusCode::kFailedPrecondition, reasons::kStaleSession));
  EXPECT_THAT(results[3], StatusIs(absl::StatusCode::kNotFound, reasons::kModuleNotFound));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceTwinRow> twins,
                                 records_.ReadTwins(Deadline(), {"d/m", "d/x", "d"}));
  ASSERT_EQ(twins.size(), 2u);
  EXPECT_EQ(twins[0].document, R"({"desired":{"$version":1},"reported":{"x":1,"$version":2}})");
  EXPECT_EQ(twins[1].device_id, "d/m");
  EXPECT_EQ(twins[1].document, R"({"desired":{"$version":1},"reported":{"y":1,"$version":2}})");
}

TEST_F(ModuleStoreTest, OneOfTheSameNameBeginsAboveTheSessionsOfTheOldOne) {
  Create({"d"});
  FLEETCAST_ASSERT_OK(CreateModule("d", "m"));
  FLEETCAST_ASSERT_OK(records_.RecordPresence(Deadline(), {{"d/m", 50, true, absl::Now(), false}}));
  FLEETCAST_ASSERT_OK(devices_.Delete(Deadline(), Identity{"d", "m"}, EtagCondition::Parse("*")));
  FLEETCAST_ASSERT_OK(CreateModule("d", "m"));
  ReportedStore reported(pool_);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<ReportedResult> late,
                                 reported.Apply(Deadline(), {{"d/m", 50, *json::Parse(R"({"x":1})"), 0}}));
  EXPECT_THAT(late[0], StatusIs(absl::StatusCode::kFailedPrecondition, reasons::kStaleSession));
}

}  // namespace
}  // namespace fleetcast::twin
