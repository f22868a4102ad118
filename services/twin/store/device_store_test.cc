#include "services/twin/store/device_store.h"

#include "libs/model/reasons.h"
#include "services/twin/store/feed_store.h"
#include "services/twin/store/record_store.h"
#include "services/twin/store/reported_store.h"
#include "services/twin/store/store_fixture.h"
#include "services/twin/store/twin_store.h"

namespace fleetcast::twin {
namespace {

using testing::StatusIs;

class DeviceStoreTest : public StoreTest {
 protected:
  DeviceStore devices_{pool_};
};

TEST_F(DeviceStoreTest, CreatesReadsUpdatesAndDeletes) {
  Create({"dev-1"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow created, devices_.Get(Deadline(), "dev-1"));
  EXPECT_TRUE(created.settings.keys.clear_primary.empty());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const KeyTexts keys, Vault().Open({"dev-1", ""}, created.settings.keys));
  EXPECT_EQ(keys.primary, "a2V5LW9uZS1rZXktb25l");
  EXPECT_FALSE(created.status_update_time.has_value());
  DeviceSettings settings = created.settings;
  settings.is_disabled = true;
  settings.status_reason = "lost";
  const std::string etag = DeviceEtag(static_cast<uint64_t>(created.etag));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow updated,
                                 devices_.Update(Deadline(), settings, EtagCondition::Parse("\"" + etag + "\"")));
  EXPECT_TRUE(updated.settings.is_disabled);
  EXPECT_TRUE(updated.status_update_time.has_value());
  EXPECT_NE(updated.etag, created.etag);
  EXPECT_EQ(updated.generation_id, created.generation_id);
  EXPECT_THAT(devices_.Update(Deadline(), settings, EtagCondition::Parse(etag)),
              StatusIs(absl::StatusCode::kAborted, reasons::kEtagMismatch));
  EXPECT_THAT(devices_.Delete(Deadline(), "dev-1", EtagCondition::Parse(etag)),
              StatusIs(absl::StatusCode::kAborted, reasons::kEtagMismatch));
  FLEETCAST_ASSERT_OK(devices_.Delete(Deadline(), "dev-1", EtagCondition::Parse("*")));
  EXPECT_THAT(devices_.Get(Deadline(), "dev-1"), StatusIs(absl::StatusCode::kNotFound, reasons::kDeviceNotFound));
  EXPECT_THAT(TwinStore(pool_).Get(Deadline(), "dev-1"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(devices_.Delete(Deadline(), "dev-1", EtagCondition::Parse("*")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DeviceStoreTest, CreateLeavesExistingDevicesAlone) {
  Create({"b"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow before, devices_.Get(Deadline(), "b"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceRow> created,
                                 devices_.Create(Deadline(), {Device("c"), Device("b"), Device("a")}));
  ASSERT_EQ(created.size(), 2u);
  EXPECT_EQ(created[0].settings.device_id, "a");
  EXPECT_EQ(created[1].settings.device_id, "c");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow after, devices_.Get(Deadline(), "b"));
  EXPECT_EQ(after.etag, before.etag);
}

TEST_F(DeviceStoreTest, ListsInByteOrder) {
  Create({"b", "a", "B", "a-1", "a.1"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceRow> first, devices_.List(Deadline(), "", 3));
  ASSERT_EQ(first.size(), 3u);
  EXPECT_EQ(first[0].settings.device_id, "B");
  EXPECT_EQ(first[1].settings.device_id, "a");
  EXPECT_EQ(first[2].settings.device_id, "a-1");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<DeviceRow> rest, devices_.List(Deadline(), "a-1", 3));
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[1].settings.device_id, "b");
}

TEST_F(DeviceStoreTest, CountsDevices) {
  Create({"a", "b", "c"});
  NewDevice off = Device("d");
  off.settings.is_disabled = true;
  FLEETCAST_ASSERT_OK(devices_.Create(Deadline(), {off}));
  FLEETCAST_ASSERT_OK(RecordStore(pool_).RecordPresence(Deadline(), {{"a", 5, true, absl::Now(), false}}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceCounts counts, devices_.Count(Deadline()));
  EXPECT_EQ(counts.total, 4);
  EXPECT_EQ(counts.disabled, 1);
  EXPECT_EQ(counts.connected, 1);
}

// reliability.md T11: late writes addressed to the old device change nothing on the new one.
TEST_F(DeviceStoreTest, ARecreatedDeviceRefusesTheSessionsOfTheOldOne) {
  Create({"a"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow old, devices_.Get(Deadline(), "a"));
  FLEETCAST_ASSERT_OK(RecordStore(pool_).RecordPresence(Deadline(), {{"a", 7, true, absl::Now(), false}}));
  FLEETCAST_ASSERT_OK(devices_.Delete(Deadline(), "a", EtagCondition::Parse("*")));
  Create({"a"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow fresh, devices_.Get(Deadline(), "a"));
  EXPECT_GT(fresh.generation_id, old.generation_id);
  EXPECT_FALSE(fresh.is_connected);
  ReportedStore reported(pool_);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<ReportedResult> late,
                                 reported.Apply(Deadline(), {{"a", 7, *json::Parse(R"({"x":1})"), 0}}));
  EXPECT_THAT(late[0], StatusIs(absl::StatusCode::kFailedPrecondition, reasons::kStaleSession));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<ReportedResult> young,
                                 reported.Apply(Deadline(), {{"a", 8, *json::Parse(R"({"x":1})"), 0}}));
  EXPECT_THAT(young[0], testing::IsOkAndHolds(2));
}

TEST_F(DeviceStoreTest, EveryChangeIsTold) {
  FeedStore feed(pool_);
  FLEETCAST_ASSERT_OK(feed.Lease(Deadline(), "c", "me", absl::Seconds(10)));
  Create({"a", "b"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow device, devices_.Get(Deadline(), "a"));
  FLEETCAST_ASSERT_OK(devices_.Update(Deadline(), device.settings, EtagCondition::Parse("*")));
  FLEETCAST_ASSERT_OK(devices_.Delete(Deadline(), "a", EtagCondition::Parse("*")));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::optional<std::string> low,
                                 feed.Lease(Deadline(), "c", "me", absl::Seconds(10)));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::string high, feed.Snapshot(Deadline()));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const std::vector<FeedRow> rows, feed.Read(Deadline(), {*low, high}, 0, 10));
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].device_ids, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(rows[1].is_disconnect);
  EXPECT_TRUE(rows[2].is_disconnect);
}

}  // namespace
}  // namespace fleetcast::twin
