#include "services/device_connection/record_cache.h"

#include <gtest/gtest.h>

namespace fleetcast::device_connection {
namespace {

constexpr RecordCache::Options kOptions = {
    .records_max = 2, .ttl = absl::Seconds(300), .negative_ttl = absl::Seconds(1)};

std::shared_ptr<const internal::v1::DeviceRecord> Record(const std::string& device_id) {
  auto record = std::make_shared<internal::v1::DeviceRecord>();
  record->set_device_id(device_id);
  return record;
}

absl::Duration At(double seconds) { return absl::Seconds(seconds); }

TEST(RecordCacheTest, FindsARecordUntilItsTimeIsOver) {
  RecordCache cache(kOptions);
  cache.Put(cache.Begin(), "a", Record("a"), At(0));
  EXPECT_EQ(cache.Find("a", At(299))->record->device_id(), "a");
  EXPECT_FALSE(cache.Find("a", At(300)).has_value());
}

TEST(RecordCacheTest, RemembersAbsenceForAShortTimeOnly) {
  RecordCache cache(kOptions);
  cache.Put(cache.Begin(), "a", nullptr, At(0));
  ASSERT_TRUE(cache.Find("a", At(0.9)).has_value());
  EXPECT_EQ(cache.Find("a", At(0.9))->record, nullptr);
  EXPECT_FALSE(cache.Find("a", At(1)).has_value());
}

TEST(RecordCacheTest, DropsTheLeastRecentlyUsed) {
  RecordCache cache(kOptions);
  cache.Put(cache.Begin(), "a", Record("a"), At(0));
  cache.Put(cache.Begin(), "b", Record("b"), At(0));
  cache.Find("a", At(1));
  cache.Put(cache.Begin(), "c", Record("c"), At(1));
  EXPECT_TRUE(cache.Find("a", At(1)).has_value());
  EXPECT_FALSE(cache.Find("b", At(1)).has_value());
  EXPECT_EQ(cache.size(), 2u);
}

TEST(RecordCacheTest, ARecordReadBeforeItsInvalidationIsNotKept) {
  RecordCache cache(kOptions);
  const RecordCache::Ticket ticket = cache.Begin();
  cache.Invalidate("a");
  cache.Put(ticket, "a", Record("a"), At(0));
  cache.Put(ticket, "b", Record("b"), At(0));
  EXPECT_FALSE(cache.Find("a", At(0)).has_value());
  EXPECT_TRUE(cache.Find("b", At(0)).has_value());
  cache.Put(cache.Begin(), "a", Record("a"), At(0));
  EXPECT_TRUE(cache.Find("a", At(0)).has_value());
}

TEST(RecordCacheTest, AReaderOlderThanTheListOfInvalidationsIsNotTrusted) {
  RecordCache cache(kOptions);
  const RecordCache::Ticket ticket = cache.Begin();
  for (int i = 0; i < 10'001; ++i) cache.Invalidate("dev-" + std::to_string(i));
  cache.Put(ticket, "dev-0", Record("dev-0"), At(0));
  EXPECT_FALSE(cache.Find("dev-0", At(0)).has_value());
}

}  // namespace
}  // namespace fleetcast::device_connection
