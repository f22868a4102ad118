#include "libs/auth/sas_check.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/auth/base64.h"
#include "libs/base/status.h"
#include "libs/model/reasons.h"

namespace fleetcast::auth {
namespace {

class SasCheckTest : public ::testing::Test {
 protected:
  SasToken Parse(const std::string& text) {
    absl::StatusOr<SasToken> token = ParseSasToken(text);
    EXPECT_TRUE(token.ok()) << token.status();
    return *std::move(token);
  }

  const Key& KeyOf(std::string_view policy) { return policies_.Find(policy)->keys.primary; }

  // The reason of the answer, empty when the token is good.
  std::string Service(std::string_view resource, std::string_view policy, Rights right,
                      const std::vector<std::string>& path = {"devices", "dev-1"}) {
    return GetReason(CheckServiceToken(Parse(MakeSasToken(resource, KeyOf(policy), now_, policy)), policies_, hosts_,
                                       path, right, {now_}));
  }

  std::string Device(const std::string& token, std::string_view device, std::string_view module = "") {
    return GetReason(CheckDeviceToken(Parse(token), {device, module, &device_keys_}, policies_, hosts_, {now_}));
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  const PolicySet policies_ = PolicySet::GenerateDefault();
  const HostNames hosts_{{"Hub.Test.Local", "127.0.0.1:8443"}};
  const KeyPair device_keys_ = KeyPair::Generate();
};

TEST_F(SasCheckTest, AcceptsAPolicyThatHoldsTheRight) {
  EXPECT_EQ(Service("hub.test.local", "iothubowner", Rights::kRegistryWrite), "");
  EXPECT_EQ(Service("hub.test.local", "registryReadWrite", Rights::kRegistryRead), "");
}

TEST_F(SasCheckTest, RefusesAPolicyWithoutTheRight) {
  EXPECT_EQ(Service("hub.test.local", "registryReadWrite", Rights::kServiceConnect), reasons::kMissingRight);
  EXPECT_EQ(Service("hub.test.local", "registryRead", Rights::kRegistryWrite), reasons::kMissingRight);
}

TEST_F(SasCheckTest, HostsMatchInAnyCaseWithAnyPortAndScheme) {
  for (const char* resource : {"HUB.test.local", "hub.test.local:443", "https://hub.test.local/", "127.0.0.1:8443"}) {
    EXPECT_EQ(Service(resource, "service", Rights::kServiceConnect), "") << resource;
  }
  for (const char* resource : {"other.test.local", "hub.test.local.evil", "test.local", "/hub.test.local"}) {
    EXPECT_EQ(Service(resource, "service", Rights::kServiceConnect), reasons::kSasWrongResource) << resource;
  }
}

TEST_F(SasCheckTest, ScopeIsComparedByWholeSegments) {
  const std::vector<std::string> path = {"devices", "dev-1", "modules"};
  for (const char* scope : {"", "/", "/devices", "/Devices/dev-1", "/devices/dev-1/modules"}) {
    EXPECT_EQ(Service(absl::StrCat("hub.test.local", scope), "service", Rights::kServiceConnect, path), "") << scope;
  }
  for (const char* scope : {"/dev", "/devices/dev", "/devices/DEV-1", "/devices/dev-1/modules/m", "/twins"}) {
    EXPECT_EQ(Service(absl::StrCat("hub.test.local", scope), "service", Rights::kServiceConnect, path),
              reasons::kSasWrongResource)
        << scope;
  }
}

TEST_F(SasCheckTest, ExpiryAllowsFiveMinutes) {
  const SasToken token = Parse(MakeSasToken("hub.test.local", KeyOf("service"), now_, "service"));
  const auto check = [&](absl::Duration late) {
    return GetReason(CheckServiceToken(token, policies_, hosts_, {}, Rights::kServiceConnect, {now_ + late}));
  };
  EXPECT_EQ(check(absl::Seconds(299)), "");
  EXPECT_EQ(check(absl::Seconds(301)), reasons::kSasExpired);
  EXPECT_EQ(GetReason(CheckExpiry(token, {now_ + absl::Seconds(1), absl::ZeroDuration()})), reasons::kSasExpired);
}

TEST_F(SasCheckTest, UnknownPolicyAndWrongKeyAreAnsweredAlike) {
  const auto check = [&](const Key& key, std::string_view policy) {
    return CheckServiceToken(Parse(MakeSasToken("hub.test.local", key, now_, policy)), policies_, hosts_, {},
                             Rights::kServiceConnect, {now_});
  };
  EXPECT_EQ(check(Key::Generate(), "service"), check(KeyOf("service"), "nobody"));
  EXPECT_EQ(GetReason(check(KeyOf("service"), "nobody")), reasons::kSasWrongSignature);
}

TEST_F(SasCheckTest, DeviceTokenIsNoServiceToken) {
  const SasToken token = Parse(MakeSasToken("hub.test.local/devices/dev-1", device_keys_.primary, now_));
  EXPECT_EQ(GetReason(CheckServiceToken(token, policies_, hosts_, {}, Rights::kServiceConnect, {now_})),
            reasons::kSasWrongSignature);
}

TEST_F(SasCheckTest, DeviceConnectsWithEitherKey) {
  EXPECT_EQ(Device(MakeSasToken("hub.test.local/devices/dev-1", device_keys_.primary, now_), "dev-1"), "");
  EXPECT_EQ(Device(MakeSasToken("hub.test.local/devices/dev-1", device_keys_.secondary, now_), "dev-1"), "");
  EXPECT_EQ(Device(MakeSasToken("hub.test.local/devices/dev-1", Key::Generate(), now_), "dev-1"),
            reasons::kSasWrongSignature);
}

TEST_F(SasCheckTest, DeviceResourceIsAPrefixOrLonger) {
  for (const char* path : {"", "/devices", "/devices/dev-1", "/devices/dev-1/api-version=2016-11-14"}) {
    EXPECT_EQ(Device(MakeSasToken(absl::StrCat("hub.test.local", path), device_keys_.primary, now_), "dev-1"), "")
        << path;
  }
  for (const char* path : {"/devices/dev-10", "/devices/dev", "/twins/dev-1", "/devices/dev-1/modules/m"}) {
    EXPECT_EQ(Device(MakeSasToken(absl::StrCat("hub.test.local", path), device_keys_.primary, now_), "dev-1"),
              reasons::kSasWrongResource)
        << path;
  }
}

TEST_F(SasCheckTest, ModuleConnectsWithItsPath) {
  const std::string token = MakeSasToken("hub.test.local/devices/dev-1/modules/m", device_keys_.primary, now_);
  EXPECT_EQ(Device(token, "dev-1", "m"), "");
  EXPECT_EQ(Device(token, "dev-1", "n"), reasons::kSasWrongResource);
}

TEST_F(SasCheckTest, UnencodedResourceMayHoldAPercentSign) {
  const std::string sr = "hub.test.local/devices/a%41";
  const std::string sig = PercentEncode(Base64Encode(device_keys_.primary.Sign(absl::StrCat(sr, "\n4102444800"))));
  EXPECT_EQ(Device(absl::StrCat("SharedAccessSignature sr=", sr, "&sig=", sig, "&se=4102444800"), "a%41"), "");
}

TEST_F(SasCheckTest, PolicyWithDeviceConnectSpeaksForAnyDevice) {
  EXPECT_EQ(Device(MakeSasToken("hub.test.local", KeyOf("device"), now_, "device"), "dev-7"), "");
  EXPECT_EQ(Device(MakeSasToken("hub.test.local", KeyOf("service"), now_, "service"), "dev-7"), reasons::kMissingRight);
  EXPECT_EQ(Device(MakeSasToken("hub.test.local/devices/dev-1", KeyOf("device"), now_, "device"), "dev-7"),
            reasons::kSasWrongResource);
}

TEST_F(SasCheckTest, ExpiredDeviceTokenIsRefused) {
  const std::string token =
      MakeSasToken("hub.test.local/devices/dev-1", device_keys_.primary, now_ - kClockSkew - absl::Seconds(1));
  EXPECT_EQ(Device(token, "dev-1"), reasons::kSasExpired);
}

}  // namespace
}  // namespace fleetcast::auth
