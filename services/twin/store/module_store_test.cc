// Modules: identities and twins of their own, which live and die with their device.
#include <gmock/gmock.h>

#include "libs/model/reasons.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/feed_store.h"
#include "services/twin/store/identity_writer.h"
#include "services/twin/store/record_store.h"
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

}  // namespace
}  // namespace fleetcast::twin
