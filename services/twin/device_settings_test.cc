#include "services/twin/device_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/model/reasons.h"

namespace fleetcast::twin {
namespace {

using registry::v1::Device;
using registry::v1::Module;

class DeviceSettingsTest : public ::testing::Test {
 protected:
  DeviceSettingsTest() {
    device_.set_id("d");
    module_.set_device_id("d");
    module_.set_id("m");
  }

  std::string ReasonOf(const Device& device) { return GetReason(ReadSettings(device, vault_).status()); }
  std::string ReasonOf(const Module& module) { return GetReason(ReadSettings(module, vault_).status()); }

  const KeyVault vault_ = KeyVault::ForTests();
  Device device_;
  Module module_;
};

TEST_F(DeviceSettingsTest, InfersTheWayToAuthenticate) {
  EXPECT_EQ(ReadSettings(device_, vault_)->authentication_type, Device::AUTHENTICATION_TYPE_SAS);
  device_.set_secondary_thumbprint(std::string(40, 'a'));
  EXPECT_EQ(ReadSettings(device_, vault_)->authentication_type, Device::AUTHENTICATION_TYPE_SELF_SIGNED);
  EXPECT_TRUE(ReadSettings(device_, vault_)->keys.empty());
}

TEST_F(DeviceSettingsTest, ThumbprintsAreSha1OrSha256InHex) {
  device_.set_authentication_type(Device::AUTHENTICATION_TYPE_SELF_SIGNED);
  EXPECT_EQ(ReasonOf(device_), reasons::kInvalidKey);  // None.
  for (const std::string& good : {std::string(40, 'A'), std::string(64, '0')}) {
    device_.set_primary_thumbprint(good);
    EXPECT_EQ(ReadSettings(device_, vault_)->primary_thumbprint, good);
  }
  for (const std::string& bad :
       {std::string(41, 'a'), std::string(40, 'g'), std::string("aa:bb"), std::string(128, 'a')}) {
    device_.set_primary_thumbprint(bad);
    EXPECT_EQ(ReasonOf(device_), reasons::kInvalidKey) << bad;
  }
}

TEST_F(DeviceSettingsTest, ASignedCertificateNeedsNothingElse) {
  device_.set_authentication_type(Device::AUTHENTICATION_TYPE_CERTIFICATE_AUTHORITY);
  device_.set_primary_key("ignored");
  const absl::StatusOr<DeviceSettings> settings = ReadSettings(device_, vault_);
  ASSERT_TRUE(settings.ok());
  EXPECT_TRUE(settings->keys.empty());
  EXPECT_TRUE(settings->primary_thumbprint.empty());
}

TEST_F(DeviceSettingsTest, KeysComeInPairsAndAreSealed) {
  device_.set_primary_key("MDEyMzQ1Njc4OWFiY2RlZg==");
  EXPECT_EQ(ReasonOf(device_), reasons::kInvalidKey);
  device_.set_secondary_key("ZmVkY2JhOTg3NjU0MzIxMA==");
  const DeviceSettings settings = *ReadSettings(device_, vault_);
  EXPECT_EQ(settings.keys.sealed.find("MDEy"), std::string::npos);
  EXPECT_EQ(vault_.Open({"d", ""}, settings.keys)->primary, "MDEyMzQ1Njc4OWFiY2RlZg==");
  DeviceRow row;
  row.settings = settings;
  Device shown;
  ASSERT_TRUE(ToProto(row, &vault_, &shown).ok());
  EXPECT_EQ(shown.secondary_key(), "ZmVkY2JhOTg3NjU0MzIxMA==");
  Device hidden;
  ASSERT_TRUE(ToProto(row, nullptr, &hidden).ok());
  EXPECT_EQ(hidden.primary_key(), "");
  row.settings.device_id = "other";  // Keys of one device are none for another.
  EXPECT_EQ(GetReason(ToProto(row, &vault_, &shown)), reasons::kDamagedSecret);
}

TEST_F(DeviceSettingsTest, ScopesBelongToGatewaysAndToWhatStandsBehindThem) {
  device_.set_device_scope("ms-azure-iot-edge://gw-1");
  device_.set_parent_scope("ms-azure-iot-edge://gw-0");
  EXPECT_EQ(ReadSettings(device_, vault_)->device_scope, "ms-azure-iot-edge://gw-1");
  EXPECT_EQ(ReadSettings(device_, vault_)->parent_scope, "");
  device_.set_iot_edge(true);
  EXPECT_EQ(ReadSettings(device_, vault_)->device_scope, "");
  EXPECT_EQ(ReadSettings(device_, vault_)->parent_scope, "ms-azure-iot-edge://gw-0");
  Device shown;
  DeviceRow row;
  row.settings = *ReadSettings(device_, vault_);
  row.generation_id = 7;
  ASSERT_TRUE(ToProto(row, nullptr, &shown).ok());
  EXPECT_EQ(shown.device_scope(), "ms-azure-iot-edge://d-7");
  device_.set_parent_scope("https://gw");
  EXPECT_EQ(ReasonOf(device_), reasons::kInvalidDeviceScope);
}

TEST_F(DeviceSettingsTest, ModulesHaveNamesOfTheirOwn) {
  EXPECT_EQ(ReadSettings(module_, vault_)->module_id, "m");
  for (const char* bad : {"", "$edgeAgent", "a/b", "a+b", "a#b"}) {
    module_.set_id(bad);
    EXPECT_EQ(ReasonOf(module_), reasons::kInvalidModuleId) << bad;
  }
  module_.set_id("m");
  module_.set_managed_by(std::string(129, 'x'));
  EXPECT_EQ(ReasonOf(module_), reasons::kInvalidValue);
  module_.set_managed_by("iotEdge");
  module_.set_device_id("a/b");
  EXPECT_EQ(ReasonOf(module_), reasons::kInvalidDeviceId);
}

}  // namespace
}  // namespace fleetcast::twin
