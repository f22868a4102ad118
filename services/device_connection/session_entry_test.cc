#include "services/device_connection/session_entry.h"

#include <gtest/gtest.h>

namespace fleetcast::device_connection {
namespace {

SessionEntry Connected() {
  return {.epoch = MakeEpoch(3, 10),
          .stored = Stored::kYes,
          .subscriptions = 5,
          .edge = {"edge-0", "00ff"},
          .session = 77,
          .connect_unix_micros = 1'700'000'000'000'000};
}

TEST(SessionEntryTest, AConnectedEntrySurvivesTheTextForm) {
  const SessionEntry entry = Connected();
  EXPECT_EQ(Encode(entry), "000003000000000ay0005 edge-0 00ff 77 1700000000000000");
  const auto decoded = DecodeSessionEntry(Encode(entry));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(Encode(*decoded), Encode(entry));
  EXPECT_TRUE(decoded->is_connected());
}

TEST(SessionEntryTest, AnEntryWithoutAnEdgeKeepsEpochAndSubscriptions) {
  const auto decoded = DecodeSessionEntry("000003000000000an0000");
  ASSERT_TRUE(decoded.has_value());
  EXPECT_FALSE(decoded->is_connected());
  EXPECT_EQ(decoded->epoch, MakeEpoch(3, 10));
  EXPECT_EQ(decoded->stored, Stored::kNo);
}

TEST(SessionEntryTest, TextOrderOfEpochsIsTheirOrder) {
  EXPECT_LT(EncodeEpoch(MakeEpoch(1, (int64_t{1} << 40) - 1)), EncodeEpoch(MakeEpoch(2, 0)));
  EXPECT_LT(EncodeEpoch(MakeEpoch(9, 9)), EncodeEpoch(MakeEpoch(10, 1)));
  EXPECT_EQ(GenerationOf(MakeEpoch(7, 123)), 7);
}

TEST(SessionEntryTest, RefusesForeignText) {
  for (const char* text : {"", "short", "000003000000000ax0005", "zzzz03000000000ay0005", "000003000000000ay0005 edge",
                           "000003000000000ay0005 edge boot x 1", "000003000000000ay0005trailing"}) {
    EXPECT_FALSE(DecodeSessionEntry(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace fleetcast::device_connection
