#include "services/device_connection/credential.h"

#include <gtest/gtest.h>

#include <string>

#include "services/device_connection/record_checks.h"

namespace fleetcast::device_connection {
namespace {

using internal::v1::DeviceRecord;

DeviceRecord Record(DeviceRecord::AuthenticationType type = DeviceRecord::AUTHENTICATION_TYPE_SAS) {
  DeviceRecord record;
  record.set_device_id("dev-1");
  record.set_generation_id("7");
  record.set_authentication_type(type);
  record.set_primary_key("a2V5MQ==");
  record.set_secondary_key("a2V5Mg==");
  record.set_primary_thumbprint(std::string(40, 'a'));
  record.set_secondary_thumbprint(std::string(64, 'b'));
  return record;
}

TEST(CredentialTest, AKeyHoldsUntilItIsReplaced) {
  DeviceRecord record = Record();
  const CredentialId primary = KeyCredential(record, "a2V5MQ==");
  const CredentialId secondary = KeyCredential(record, "a2V5Mg==");
  EXPECT_NE(primary, secondary);
  EXPECT_TRUE(Holds(record, primary));
  EXPECT_TRUE(Holds(record, secondary));
  record.set_secondary_key("bmV3");
  EXPECT_TRUE(Holds(record, primary));
  EXPECT_FALSE(Holds(record, secondary));
  record.set_secondary_key("a2V5MQ==");
  record.set_primary_key("bmV3");
  EXPECT_TRUE(Holds(record, primary)) << "keys were swapped";
}

TEST(CredentialTest, AThumbprintHoldsInAnyCaseUntilItIsReplaced) {
  DeviceRecord record = Record(DeviceRecord::AUTHENTICATION_TYPE_SELF_SIGNED);
  const CredentialId primary = ThumbprintCredential(record, std::string(40, 'A'));
  EXPECT_TRUE(Holds(record, primary));
  record.set_primary_thumbprint(std::string(40, 'c'));
  EXPECT_FALSE(Holds(record, primary));
}

TEST(CredentialTest, NothingHoldsForAnotherTypeOfAuthentication) {
  const DeviceRecord by_key = Record();
  const DeviceRecord by_thumbprint = Record(DeviceRecord::AUTHENTICATION_TYPE_SELF_SIGNED);
  const DeviceRecord by_authority = Record(DeviceRecord::AUTHENTICATION_TYPE_CERTIFICATE_AUTHORITY);
  for (const auto& [credential, holder] : {std::pair{KeyCredential(by_key, by_key.primary_key()), &by_key},
                                           {PolicyCredential(by_key), &by_key},
                                           {ThumbprintCredential(by_key, by_key.primary_thumbprint()), &by_thumbprint},
                                           {AuthorityCredential(by_key), &by_authority}}) {
    for (const DeviceRecord* record : {&by_key, &by_thumbprint, &by_authority}) {
      EXPECT_EQ(Holds(*record, credential), record == holder);
    }
  }
}

TEST(CredentialTest, ADeviceThatWasRegisteredAgainIsAnotherOne) {
  const DeviceRecord old = Record();
  DeviceRecord again = Record();
  again.set_generation_id("8");
  EXPECT_FALSE(Holds(again, KeyCredential(old, old.primary_key())));
  EXPECT_FALSE(Holds(again, PolicyCredential(old)));
}

TEST(CredentialTest, WhatIsNotKnownIsNoReason) { EXPECT_TRUE(Holds(Record(), 0)); }

TEST(WhyRevokedTest, SaysWhy) {
  DeviceRecord record = Record();
  const CredentialId good = KeyCredential(record, record.primary_key());
  EXPECT_EQ(WhyRevoked(&record, good, false), nullptr);
  EXPECT_STREQ(WhyRevoked(nullptr, good, true), "deleted");
  EXPECT_STREQ(WhyRevoked(&record, good + 1, false), "credential");
  EXPECT_EQ(WhyRevoked(&record, good + 1, true), nullptr);
  record.set_disabled(true);
  EXPECT_STREQ(WhyRevoked(&record, good, true), "disabled");
}

}  // namespace
}  // namespace fleetcast::device_connection
