#include "services/device_connection/session_expiry.h"

#include "gtest/gtest.h"

namespace fleetcast::device_connection {
namespace {

constexpr int64_t kEnd = 1'800'000'000;
const absl::Time kNow = absl::FromUnixSeconds(kEnd);

internal::v1::DeviceRecord Record() {
  internal::v1::DeviceRecord record;
  record.set_has_session(true);
  record.set_session_expiry_seconds(60);
  record.set_session_end_unix_seconds(kEnd);
  record.set_presence_epoch(7);
  return record;
}

TEST(SessionExpiryTest, ASessionIsOverAtItsEndAndNotBefore) {
  EXPECT_FALSE(IsOver(Record(), 7, kNow - absl::Nanoseconds(1)));
  EXPECT_TRUE(IsOver(Record(), 7, kNow));
}

TEST(SessionExpiryTest, DSes2WhatHasNoEndIsNeverOver) {
  internal::v1::DeviceRecord record = Record();
  record.set_session_end_unix_seconds(0);
  EXPECT_FALSE(IsOver(record, 7, absl::InfiniteFuture()));
}

TEST(SessionExpiryTest, ANewerSessionWhoseEndIsNotNotedYetHasJustEnded) {
  EXPECT_FALSE(IsOver(Record(), 8, kNow + absl::Hours(1)));
  EXPECT_TRUE(MayBeOver(Record(), kNow));
}

TEST(SessionExpiryTest, WithoutADirectoryTheRecordDecides) { EXPECT_TRUE(IsOver(Record(), 0, kNow)); }

TEST(SessionExpiryTest, WhereNothingIsStoredNothingIsOver) {
  internal::v1::DeviceRecord record = Record();
  record.set_has_session(false);
  EXPECT_FALSE(IsOver(record, 7, kNow));
}

}  // namespace
}  // namespace fleetcast::device_connection
