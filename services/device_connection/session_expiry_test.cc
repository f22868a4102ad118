#include "services/device_connection/session_expiry.h"

#include "gtest/gtest.h"

namespace fleetcast::device_connection {
namespace {

constexpr int64_t kEnd = 1'800'000'000;
const absl::Time kEndTime = absl::FromUnixSeconds(kEnd);

internal::v1::DeviceRecord ExpiringRecord() {
  internal::v1::DeviceRecord record;
  record.set_has_session(true);
  record.set_session_expiry_seconds(60);
  record.set_session_end_unix_seconds(kEnd);
  record.set_presence_epoch(7);
  return record;
}

TEST(SessionExpiryTest, ASessionIsOverAtItsEndAndNotBefore) {
  EXPECT_FALSE(IsOver(ExpiringRecord(), 7, kEndTime - absl::Nanoseconds(1)));
  EXPECT_TRUE(IsOver(ExpiringRecord(), 7, kEndTime));
}

TEST(SessionExpiryTest, DSes2WhatHasNoEndIsNeverOver) {
  internal::v1::DeviceRecord record = ExpiringRecord();
  record.set_session_end_unix_seconds(0);
  EXPECT_FALSE(IsOver(record, 7, absl::InfiniteFuture()));
}

TEST(SessionExpiryTest, ANewerSessionWhoseEndIsNotNotedYetHasJustEnded) {
  EXPECT_FALSE(IsOver(ExpiringRecord(), 8, kEndTime + absl::Hours(1)));
  EXPECT_TRUE(MayBeOver(ExpiringRecord(), kEndTime));
}

TEST(SessionExpiryTest, WithoutADirectoryTheRecordDecides) { EXPECT_TRUE(IsOver(ExpiringRecord(), 0, kEndTime)); }

TEST(SessionExpiryTest, WhereNothingIsStoredNothingIsOver) {
  internal::v1::DeviceRecord record = ExpiringRecord();
  record.set_has_session(false);
  EXPECT_FALSE(IsOver(record, 7, kEndTime));
}

}  // namespace
}  // namespace fleetcast::device_connection
