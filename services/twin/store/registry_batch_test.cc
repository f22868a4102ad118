#include "services/twin/store/registry_batch.h"

#include <gmock/gmock.h>

#include "libs/model/reasons.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/identity_writer.h"
#include "services/twin/store/store_fixture.h"
#include "services/twin/store/twin_store.h"

namespace fleetcast::twin {
namespace {

using Effect = RegistryResult::Effect;
using Kind = RegistryChange::Kind;
using testing::IsOk;
using testing::StatusIs;

class RegistryBatchTest : public StoreTest {
 protected:
  static RegistryChange Change(Kind kind, const std::string& device, const std::string& module = "") {
    RegistryChange change;
    change.kind = kind;
    change.device = Device(device);
    change.device.settings.module_id = module;
    change.device.settings.keys = Vault().Seal({device, module}, {"a2V5LW9uZS1rZXktb25l", "a2V5LXR3by1rZXktdHdv"});
    change.condition = EtagCondition::Parse("*");
    change.edit.kind = TwinEdit::Kind::kRestore;
    return change;
  }

  std::vector<RegistryResult> Apply(const std::vector<RegistryChange>& changes) {
    absl::StatusOr<std::vector<RegistryResult>> results = batches_.Apply(Deadline(), changes);
    EXPECT_THAT(results, IsOk());
    return results.ok() ? *std::move(results) : std::vector<RegistryResult>(changes.size());
  }

  RegistryBatchStore batches_{pool_, Vault()};
  DeviceStore devices_{pool_};
  TwinStore twins_{pool_};
};

TEST_F(RegistryBatchTest, EachChangeStandsForItself) {
  Create({"old", "gone", "kept"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow kept, devices_.Get(Deadline(), "kept"));
  std::vector<RegistryChange> changes = {
      Change(Kind::kCreate, "new"),  Change(Kind::kCreate, "old"),  Change(Kind::kUpdate, "old2"),
      Change(Kind::kDelete, "gone"), Change(Kind::kDelete, "nope"), Change(Kind::kUpdate, "kept"),
  };
  changes[5].condition = EtagCondition::Parse("bm90LWl0");
  const std::vector<RegistryResult> results = Apply(changes);
  EXPECT_EQ(results[0].effect, Effect::kCreated);
  EXPECT_EQ(results[0].row->settings.device_id, "new");
  EXPECT_THAT(results[1].status, StatusIs(absl::StatusCode::kAlreadyExists, reasons::kDeviceAlreadyExists));
  EXPECT_THAT(results[2].status, StatusIs(absl::StatusCode::kNotFound, reasons::kDeviceNotFound));
  EXPECT_EQ(results[3].effect, Effect::kDeleted);
  EXPECT_THAT(results[4].status, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(results[5].status, StatusIs(absl::StatusCode::kAborted, reasons::kEtagMismatch));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow after, devices_.Get(Deadline(), "kept"));
  EXPECT_EQ(after.etag, kept.etag);
  EXPECT_THAT(devices_.Get(Deadline(), "gone"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RegistryBatchTest, ModulesComeWithTheirDevices) {
  const std::vector<RegistryResult> results =
      Apply({Change(Kind::kCreateOrUpdate, "d", "m"), Change(Kind::kCreateOrUpdate, "x", "m"),
             Change(Kind::kCreateOrUpdate, "d")});
  EXPECT_EQ(results[0].effect, Effect::kCreated);
  EXPECT_THAT(results[1].status, StatusIs(absl::StatusCode::kNotFound, reasons::kDeviceNotFound));
  EXPECT_EQ(results[2].effect, Effect::kCreated);
  EXPECT_THAT(devices_.Get(Deadline(), Identity{"d", "m"}), IsOk());
  EXPECT_EQ(Apply({Change(Kind::kDelete, "d")})[0].effect, Effect::kDeleted);
  EXPECT_THAT(devices_.Get(Deadline(), Identity{"d", "m"}), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RegistryBatchTest, CountsTheModulesOfABatchTogether) {
  Create({"d"});
  std::vector<RegistryChange> changes;
  for (int i = 0; i < kModulesPerDeviceMax + 2; ++i)
    changes.push_back(Change(Kind::kCreate, "d", absl::StrCat("m", i)));
  int refused = 0;
  for (const RegistryResult& result : Apply(changes)) refused += result.status.ok() ? 0 : 1;
  EXPECT_EQ(refused, 2);
}

TEST_F(RegistryBatchTest, CreateOrUpdateWritesOnlyWhatDiffers) {
  RegistryChange change = Change(Kind::kCreateOrUpdate, "d");
  change.device.twin.tags = *json::Parse(R"({"a":1})");
  change.edit.tags = change.device.twin.tags;
  EXPECT_EQ(Apply({change})[0].effect, Effect::kCreated);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow first, devices_.Get(Deadline(), "d"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow twin, twins_.Get(Deadline(), "d"));

  change.device.settings.keys =
      Vault().Seal({"d", ""}, {"a2V5LW9uZS1rZXktb25l", "a2V5LXR3by1rZXktdHdv"});  // Sealed anew.
  EXPECT_EQ(Apply({change})[0].effect, Effect::kNone);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(DeviceRow row, devices_.Get(Deadline(), "d"));
  EXPECT_EQ(row.etag, first.etag);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(TwinRow same, twins_.Get(Deadline(), "d"));
  EXPECT_EQ(same.etag, twin.etag);

  change.device.settings.status_reason = "moved";
  change.edit.tags = *json::Parse(R"({"a":1.0})");  // Another spelling is another document.
  EXPECT_EQ(Apply({change})[0].effect, Effect::kUpdated);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(row, devices_.Get(Deadline(), "d"));
  EXPECT_EQ(row.settings.status_reason, "moved");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(same, twins_.Get(Deadline(), "d"));
  EXPECT_EQ(same.tags, R"({"a": 1.0})");
}

TEST_F(RegistryBatchTest, CreateOrUpdateWithoutCredentialsKeepsThem) {
  Create({"d"});
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow before, devices_.Get(Deadline(), "d"));
  RegistryChange change = Change(Kind::kCreateOrUpdate, "d");
  change.device.settings.keys = Vault().Seal({"d", ""}, {"Z2VuZXJhdGVkLWtleS0x", "Z2VuZXJhdGVkLWtleS0y"});
  change.device.settings.is_disabled = true;
  change.keeps_credentials = true;
  EXPECT_EQ(Apply({change})[0].effect, Effect::kUpdated);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow after, devices_.Get(Deadline(), "d"));
  EXPECT_TRUE(after.settings.is_disabled);
  EXPECT_TRUE(Vault().AreSame({"d", ""}, before.settings.keys, after.settings.keys));
}

TEST_F(RegistryBatchTest, EditsTwinsEachInItsOwnWay) {
  Create({"a", "b"});
  std::vector<RegistryChange> changes = {Change(Kind::kEditTwin, "b"), Change(Kind::kEditTwin, "a"),
                                         Change(Kind::kEditTwin, "c")};
  changes[0].edit = *ParseMerge(R"({"x":1})", "");
  changes[1].edit = *ParseMerge("", R"({"y":2})");
  changes[2].edit = *ParseMerge(R"({"x":1})", "");
  const std::vector<RegistryResult> results = Apply(changes);
  EXPECT_THAT(results[0].status, IsOk());
  EXPECT_THAT(results[2].status, StatusIs(absl::StatusCode::kNotFound));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow a, twins_.Get(Deadline(), "a"));
  EXPECT_EQ(a.desired, R"({"y": 2})");
  EXPECT_EQ(a.tags, "{}");
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const TwinRow b, twins_.Get(Deadline(), "b"));
  EXPECT_EQ(b.tags, R"({"x": 1})");
  changes.resize(1);
  changes[0].twin_condition = EtagCondition::Parse("AAAAAAAAAAE=");
  EXPECT_THAT(Apply(changes)[0].status, StatusIs(absl::StatusCode::kAborted, reasons::kEtagMismatch));
}

// Batches of the same new devices at once: each device is created once, everybody else finds it, nobody fails.
TEST_F(RegistryBatchTest, CreateOrUpdateAtOnceNeverFails) {
  constexpr int kWriters = 6;
  std::vector<RegistryChange> changes;
  for (int i = 0; i < 200; ++i) changes.push_back(Change(Kind::kCreateOrUpdate, absl::StrCat("d", i)));
  std::atomic<int> created = 0, failed = 0;
  {
    std::vector<std::jthread> writers;
    for (int w = 0; w < kWriters; ++w) {
      writers.emplace_back([&, w] {
        std::vector<RegistryChange> mine = changes;
        std::rotate(mine.begin(), mine.begin() + w * 30, mine.end());
        for (const RegistryResult& result : Apply(mine)) {
          created += result.effect == Effect::kCreated ? 1 : 0;
          failed += result.status.ok() ? 0 : 1;
        }
      });
    }
  }
  EXPECT_EQ(created, 200);
  EXPECT_EQ(failed, 0);
}

}  // namespace
}  // namespace fleetcast::twin
