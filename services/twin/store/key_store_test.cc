// Keys at rest: what is stored, sealing old rows, rotation.
#include "services/twin/store/key_store.h"

#include <gmock/gmock.h>

#include "libs/auth/base64.h"
#include "libs/base/random.h"
#include "libs/model/reasons.h"
#include "services/twin/key_upkeep.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/registry_batch.h"
#include "services/twin/store/store_fixture.h"

namespace fleetcast::twin {
namespace {

using testing::IsOk;
using testing::IsOkAndHolds;
using testing::StatusIs;

constexpr postgres::Statement kClearText{
    "test_clear_text",
    "UPDATE twin.device SET sealed_keys = NULL, primary_key = 'b2xkLWtleS1vbGQta2V5', "
    "secondary_key = 'b3RoZXIta2V5LW90aGVy' WHERE device_id = ANY($1::text[])"};

std::string NewKey() { return auth::Base64Encode(RandomBytes(auth::kSealingKeyBytes)); }
KeyVault VaultOf(const std::string& text) { return KeyVault(*auth::SealingKeys::FromText(text)); }

class KeyStoreTest : public StoreTest {
 protected:
  std::string StoredText(const std::string& id) {
    const auto rows = pool_.Run(
        Deadline(),
        postgres::Statement{"test_whole_row", "SELECT d::text AS row FROM twin.device d WHERE device_id = $1"}, id);
    EXPECT_THAT(rows, IsOk());
    return (*rows)[0].Get<std::string>("row");
  }

  KeyStore store_{pool_};
  DeviceStore devices_{pool_};
};

TEST_F(KeyStoreTest, NoKeyStandsInTheDatabase) {
  Create({"d"});
  EXPECT_THAT(StoredText("d"), ::testing::Not(::testing::HasSubstr("a2V5")));
}

TEST_F(KeyStoreTest, RowsInClearTextAreReadAndThenSealed) {
  std::vector<std::string> ids;
  for (int i = 0; i < 2500; ++i) ids.push_back(absl::StrCat("d", i));
  for (size_t i = 0; i < ids.size(); i += 500) Create({ids.begin() + i, ids.begin() + i + 500});
  FLEETCAST_ASSERT_OK(pool_.Run(Deadline(), kClearText, std::vector<std::string>(ids.begin() + 100, ids.end())));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow old, devices_.Get(Deadline(), "d200"));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const KeyTexts keys, Vault().Open({"d200", ""}, old.settings.keys));
  EXPECT_EQ(keys.primary, "b2xkLWtleS1vbGQta2V5");

  KeyUpkeep upkeep(store_, Vault(), absl::ZeroDuration(), SystemClock(), metrics_);
  EXPECT_THAT(upkeep.SealAll(), IsOkAndHolds(2400));
  EXPECT_THAT(StoredText("d200"), ::testing::Not(::testing::HasSubstr("b2xkLWtle")));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow sealed, devices_.Get(Deadline(), "d200"));
  EXPECT_EQ(sealed.etag, old.etag);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const KeyTexts same, Vault().Open({"d200", ""}, sealed.settings.keys));
  EXPECT_EQ(same, keys);
  EXPECT_THAT(upkeep.SealAll(), IsOkAndHolds(0));
}

TEST_F(KeyStoreTest, AnUpdateSealsWhatStoodInClearText) {
  Create({"d"});
  FLEETCAST_ASSERT_OK(pool_.Run(Deadline(), kClearText, std::vector<std::string>{"d"}));
  RegistryChange change;
  change.kind = RegistryChange::Kind::kCreateOrUpdate;
  change.device = Device("d");
  change.device.settings.is_disabled = true;
  change.edit.kind = TwinEdit::Kind::kRestore;
  change.keeps_credentials = true;
  FLEETCAST_ASSERT_OK(RegistryBatchStore(pool_, Vault()).Apply(Deadline(), {change}));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow row, devices_.Get(Deadline(), "d"));
  EXPECT_TRUE(row.settings.keys.clear_primary.empty());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const KeyTexts keys, Vault().Open({"d", ""}, row.settings.keys));
  EXPECT_EQ(keys.secondary, "b3RoZXIta2V5LW90aGVy");
}

TEST_F(KeyStoreTest, ANewFirstKeySealsEverythingAnew) {
  const std::string old_key = NewKey(), new_key = NewKey();
  const KeyVault old_vault = VaultOf(old_key);
  const KeyVault both = VaultOf(new_key + "\n" + old_key);
  NewDevice device = Device("d");
  device.settings.keys = old_vault.Seal({"d", ""}, {"a2V5LW9uZS1rZXktb25l", "a2V5LXR3by1rZXktdHdv"});
  NewDevice module = device;
  module.settings.module_id = "m";
  module.settings.keys = old_vault.Seal({"d", "m"}, {"a2V5LW9uZS1rZXktb25l", "a2V5LXR3by1rZXktdHdv"});
  FLEETCAST_ASSERT_OK(devices_.Create(Deadline(), {device}));
  FLEETCAST_ASSERT_OK(devices_.CreateModule(Deadline(), module));
  KeyUpkeep first(store_, old_vault, absl::ZeroDuration(), SystemClock(), metrics_);
  FLEETCAST_ASSERT_OK(first.CheckKeys(Deadline()));

  telemetry::Metrics metrics;
  KeyUpkeep second(store_, both, absl::ZeroDuration(), SystemClock(), metrics);
  FLEETCAST_ASSERT_OK(second.CheckKeys(Deadline()));
  EXPECT_THAT(second.SealAll(), IsOkAndHolds(2));
  const KeyVault only_new = VaultOf(new_key);
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow row, devices_.Get(Deadline(), "d"));
  EXPECT_THAT(only_new.Open({"d", ""}, row.settings.keys), IsOk());
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow child, devices_.Get(Deadline(), Identity{"d", "m"}));
  EXPECT_THAT(only_new.Open({"d", "m"}, child.settings.keys), IsOk());

  // The old key may go when nobody seals with it any more.
  telemetry::Metrics more;
  KeyUpkeep third(store_, only_new, absl::ZeroDuration(), SystemClock(), more);
  EXPECT_THAT(third.CheckKeys(Deadline()), StatusIs(absl::StatusCode::kInvalidArgument, reasons::kUnknownSealingKey));
  FLEETCAST_ASSERT_OK(store_.Forget(Deadline(), old_vault.sealing_keys().ids()[0], absl::Hours(1)));
  EXPECT_THAT(third.CheckKeys(Deadline()), StatusIs(absl::StatusCode::kInvalidArgument, reasons::kUnknownSealingKey));
  FLEETCAST_ASSERT_OK(store_.Forget(Deadline(), old_vault.sealing_keys().ids()[0], absl::ZeroDuration()));
  EXPECT_THAT(third.CheckKeys(Deadline()), IsOk());
}

TEST_F(KeyStoreTest, WhatNoKeyOpensIsLeftAlone) {
  Create({"a", "b"});
  FLEETCAST_ASSERT_OK(pool_.Run(Deadline(), kClearText, std::vector<std::string>{"b"}));
  const KeyVault other = VaultOf(NewKey());
  KeyUpkeep upkeep(store_, other, absl::ZeroDuration(), SystemClock(), metrics_);
  EXPECT_THAT(upkeep.SealAll(), IsOkAndHolds(1));
  FLEETCAST_ASSERT_OK_AND_ASSIGN(const DeviceRow a, devices_.Get(Deadline(), "a"));
  EXPECT_THAT(Vault().Open({"a", ""}, a.settings.keys), IsOk());
}

}  // namespace
}  // namespace fleetcast::twin
