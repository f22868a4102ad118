#include "services/device_connection/admission.h"

#include <gtest/gtest.h>

#include "libs/auth/sas_token.h"

namespace fleetcast::device_connection {
namespace {

using internal::v1::DeviceRecord;
using internal::v1::OpenSession;
using internal::v1::OpenSessionResult;

class AdmissionTest : public ::testing::Test {
 protected:
  AdmissionTest() {
    open_.set_client_id("dev-1");
    open_.set_device_id("dev-1");
    open_.set_host("hub.test.local");
    record_.set_device_id("dev-1");
    record_.set_authentication_type(DeviceRecord::AUTHENTICATION_TYPE_SAS);
    record_.set_primary_key(primary_.ToBase64());
    record_.set_secondary_key(secondary_.ToBase64());
    Sign("hub.test.local/devices/dev-1", primary_);
  }

  void Sign(const std::string& resource, const auth::Key& key, const std::string& policy = "",
            absl::Duration life = absl::Hours(1)) {
    open_.set_password(auth::MakeSasToken(resource, key, now_ + life, policy));
  }
  OpenSessionResult::Code Check() { return CheckDevice(open_, &record_, rules_, now_).code; }
  OpenSessionResult::Code CheckIds() { return CheckRequest(open_, rules_).code; }

  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  const auth::Key primary_ = auth::Key::Generate();
  const auth::Key secondary_ = auth::Key::Generate();
  const auth::PolicySet policies_ = auth::PolicySet::GenerateDefault();
  const auth::HostNames hosts_{{"hub.test.local", "127.0.0.1"}};
  const AdmissionRules rules_{policies_, hosts_};
  OpenSession open_;
  DeviceRecord record_;
};

TEST_F(AdmissionTest, AcceptsATokenOfEitherKeyAndTellsItsExpiry) {
  EXPECT_EQ(Check(), OpenSessionResult::CODE_ACCEPTED);
  EXPECT_EQ(CheckDevice(open_, &record_, rules_, now_).token_expiry_unix_seconds, 1'800'003'600);
  Sign("hub.test.local/devices/dev-1", secondary_);
  EXPECT_EQ(Check(), OpenSessionResult::CODE_ACCEPTED);
}

TEST_F(AdmissionTest, AcceptsAPolicyWithDeviceConnectOnly) {
  Sign("hub.test.local", policies_.Find("device")->keys.primary, "device");
  EXPECT_EQ(Check(), OpenSessionResult::CODE_ACCEPTED);
  Sign("hub.test.local", policies_.Find("service")->keys.primary, "service");
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
}

TEST_F(AdmissionTest, RefusesAWrongSignatureAnExpiredTokenAndAForeignDevice) {
  Sign("hub.test.local/devices/dev-1", auth::Key::Generate());
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
  Sign("hub.test.local/devices/dev-1", primary_, "", -absl::Minutes(6));
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
  Sign("hub.test.local/devices/dev-2", primary_);
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
}

TEST_F(AdmissionTest, TheClockMayDifferByFiveMinutes) {
  Sign("hub.test.local/devices/dev-1", primary_, "", -absl::Minutes(4));
  EXPECT_EQ(Check(), OpenSessionResult::CODE_ACCEPTED);
}

TEST_F(AdmissionTest, AnUnknownDeviceLooksLikeAWrongSignature) {
  EXPECT_EQ(CheckDevice(open_, nullptr, rules_, now_).code, OpenSessionResult::CODE_NOT_AUTHORIZED);
}

TEST_F(AdmissionTest, AMissingOrMalformedPasswordIsToldApart) {
  open_.clear_password();
  EXPECT_EQ(Check(), OpenSessionResult::CODE_BAD_USER_OR_PASSWORD);
  open_.set_password("hunter2");
  EXPECT_EQ(Check(), OpenSessionResult::CODE_BAD_USER_OR_PASSWORD);
}

TEST_F(AdmissionTest, OnlyTheDeviceItselfLearnsThatItIsDisabled) {
  record_.set_disabled(true);
  EXPECT_EQ(Check(), OpenSessionResult::CODE_DEVICE_DISABLED);
  Sign("hub.test.local/devices/dev-1", auth::Key::Generate());
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
}

TEST_F(AdmissionTest, AcceptsARegisteredThumbprintInAnyCase) {
  record_.set_authentication_type(DeviceRecord::AUTHENTICATION_TYPE_SELF_SIGNED);
  record_.set_secondary_thumbprint(std::string(40, 'a'));
  open_.clear_password();
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
  open_.set_certificate_sha1(std::string(40, 'A'));
  EXPECT_EQ(Check(), OpenSessionResult::CODE_ACCEPTED);
  EXPECT_EQ(CheckDevice(open_, &record_, rules_, now_).token_expiry_unix_seconds, 0);
  open_.set_certificate_sha1(std::string(40, 'B'));
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
}

TEST_F(AdmissionTest, APasswordDoesNotReplaceACertificate) {
  record_.set_authentication_type(DeviceRecord::AUTHENTICATION_TYPE_SELF_SIGNED);
  record_.set_primary_thumbprint(std::string(64, 'a'));
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
  open_.set_certificate_sha256(std::string(64, 'A'));
  EXPECT_EQ(Check(), OpenSessionResult::CODE_ACCEPTED) << "the password is ignored";
  open_.set_password("hunter2");
  EXPECT_EQ(Check(), OpenSessionResult::CODE_ACCEPTED);
}

TEST_F(AdmissionTest, ATokenDeviceMayShowAnyCertificate) {
  open_.set_certificate_sha256(std::string(64, 'A'));
  EXPECT_EQ(Check(), OpenSessionResult::CODE_ACCEPTED);
}

TEST_F(AdmissionTest, ASignedCertificateNamesItsDevice) {
  record_.set_authentication_type(DeviceRecord::AUTHENTICATION_TYPE_CERTIFICATE_AUTHORITY);
  open_.clear_password();
  open_.set_certificate_sha256(std::string(64, 'A'));
  open_.set_certificate_common_name("dev-1");
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
  open_.set_certificate_is_signed(true);
  EXPECT_EQ(Check(), OpenSessionResult::CODE_ACCEPTED);
  for (const char* other : {"", "dev-2", "DEV-1", "dev-1 ", "dev-1/mod"}) {
    open_.set_certificate_common_name(other);
    EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED) << other;
  }
  open_.set_certificate_common_name(std::string("dev-1\0", 6));
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
}

TEST_F(AdmissionTest, ASignedCertificateOfAModuleNamesBoth) {
  record_.set_authentication_type(DeviceRecord::AUTHENTICATION_TYPE_CERTIFICATE_AUTHORITY);
  record_.set_device_id("dev-1/mod");
  open_.set_client_id("dev-1/mod");
  open_.set_device_id("dev-1/mod");
  open_.set_certificate_sha256(std::string(64, 'A'));
  open_.set_certificate_is_signed(true);
  open_.set_certificate_common_name("dev-1/mod");
  EXPECT_EQ(Check(), OpenSessionResult::CODE_ACCEPTED);
  open_.set_certificate_common_name("dev-1");
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
}

TEST_F(AdmissionTest, ASignatureDoesNotReplaceAThumbprintNorTheOtherWayRound) {
  record_.set_authentication_type(DeviceRecord::AUTHENTICATION_TYPE_SELF_SIGNED);
  record_.set_primary_thumbprint(std::string(64, 'b'));
  open_.set_certificate_sha256(std::string(64, 'A'));
  open_.set_certificate_is_signed(true);
  open_.set_certificate_common_name("dev-1");
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
  record_.set_primary_thumbprint(std::string(64, 'a'));
  record_.set_authentication_type(DeviceRecord::AUTHENTICATION_TYPE_CERTIFICATE_AUTHORITY);
  open_.set_certificate_is_signed(false);
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
}

TEST_F(AdmissionTest, CertificateDatesAreCheckedUnlessTheyAreToBeIgnored) {
  record_.set_authentication_type(DeviceRecord::AUTHENTICATION_TYPE_SELF_SIGNED);
  record_.set_primary_thumbprint(std::string(64, 'a'));
  open_.set_certificate_sha256(std::string(64, 'A'));
  const int64_t now = absl::ToUnixSeconds(now_);
  const AdmissionRules lenient{policies_, hosts_, false};
  const auto check = [&](int64_t from, int64_t until) {
    open_.set_certificate_valid_from_unix_seconds(from);
    open_.set_certificate_valid_until_unix_seconds(until);
    EXPECT_EQ(CheckDevice(open_, &record_, lenient, now_).code, OpenSessionResult::CODE_ACCEPTED);
    return Check();
  };
  EXPECT_EQ(check(now, now), OpenSessionResult::CODE_ACCEPTED);
  EXPECT_EQ(check(now - 9, now - 1), OpenSessionResult::CODE_NOT_AUTHORIZED);
  EXPECT_EQ(check(now + 1, now + 9), OpenSessionResult::CODE_NOT_AUTHORIZED);
}

TEST_F(AdmissionTest, ACertificateDoesNotOpenATokenDevice) {
  open_.clear_password();
  open_.set_certificate_sha1(std::string(40, 'A'));
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
}

TEST_F(AdmissionTest, ChecksTheIdentifiersBeforeTheDevice) {
  EXPECT_EQ(CheckIds(), OpenSessionResult::CODE_ACCEPTED);
  open_.set_host("127.0.0.1:8883");
  EXPECT_EQ(CheckIds(), OpenSessionResult::CODE_ACCEPTED);
  open_.set_host("elsewhere");
  EXPECT_EQ(CheckIds(), OpenSessionResult::CODE_NOT_AUTHORIZED);
  open_.set_client_id("dev-2");
  EXPECT_EQ(CheckIds(), OpenSessionResult::CODE_BAD_IDENTIFIER);
  open_.set_client_id("a+b");
  open_.set_device_id("a+b");
  EXPECT_EQ(CheckIds(), OpenSessionResult::CODE_BAD_IDENTIFIER);
  open_.set_client_id("");
  open_.set_device_id("");
  EXPECT_EQ(CheckIds(), OpenSessionResult::CODE_BAD_IDENTIFIER);
}

TEST_F(AdmissionTest, AModuleNeedsATokenForItself) {
  open_.set_client_id("dev-1/mod");
  open_.set_device_id("dev-1/mod");
  EXPECT_EQ(CheckIds(), OpenSessionResult::CODE_ACCEPTED);
  Sign("hub.test.local/devices/dev-1/modules/mod", primary_);
  EXPECT_EQ(Check(), OpenSessionResult::CODE_ACCEPTED);
  Sign("hub.test.local/devices/dev-1/modules/mod2", primary_);
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
  Sign("hub.test.local", policies_.Find("device")->keys.primary, "device");
  EXPECT_EQ(Check(), OpenSessionResult::CODE_ACCEPTED);
  EXPECT_EQ(CheckDevice(open_, nullptr, rules_, now_).code, OpenSessionResult::CODE_NOT_AUTHORIZED);
}

TEST_F(AdmissionTest, ATokenOfAModuleDoesNotOpenItsDevice) {
  Sign("hub.test.local/devices/dev-1/modules/mod", primary_);
  EXPECT_EQ(Check(), OpenSessionResult::CODE_NOT_AUTHORIZED);
}

TEST_F(AdmissionTest, IdentifiersOfModulesAreCheckedToo) {
  for (const char* id : {"dev-1/", "/mod", "dev-1/a/b", "dev-1/m+", "dev-1/m#", "dev-1/\xc3\xa9"}) {
    open_.set_client_id(id);
    open_.set_device_id(id);
    EXPECT_EQ(CheckIds(), OpenSessionResult::CODE_BAD_IDENTIFIER) << id;
  }
  open_.set_device_id("dev-1/mod");
  open_.set_client_id("dev-1");
  EXPECT_EQ(CheckIds(), OpenSessionResult::CODE_BAD_IDENTIFIER);
}

}  // namespace
}  // namespace fleetcast::device_connection
