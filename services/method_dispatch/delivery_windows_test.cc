#include "services/method_dispatch/delivery_windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::method_dispatch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1'000);

// Calls `first` to `last`, with a permit of one second.
std::vector<Actions::Deliver> Calls(CallId first, CallId last) {
  std::vector<Actions::Deliver> calls;
  for (CallId id = first; id <= last; ++id) {
    calls.push_back({.call = id,
                     .device_id = "d",
                     .request = nullptr,
                     .permit_expire = kStart + absl::Seconds(1),
                     .answer_deadline = kStart + absl::Seconds(9)});
  }
  return calls;
}

std::vector<CallId> NextIds(DeliveryWindows& windows, size_t delivery) {
  std::vector<CallId> ids;
  const auto batch = windows.Next(100);
  if (!batch.has_value() || batch->delivery != delivery) return ids;
  for (const Actions::Deliver& call : batch->calls) ids.push_back(call.call);
  return ids;
}

TEST(DeliveryWindowsTest, SendsInOrderUpToTheCredit) {
  DeliveryWindows windows;
  windows.Up(0);
  windows.SetCredit(0, 2);
  windows.Push(Calls(1, 3));
  EXPECT_THAT(NextIds(windows, 0), ElementsAre(1, 2));
  EXPECT_EQ(windows.Next(100), std::nullopt);
  EXPECT_FALSE(windows.has_work());
  windows.Heard(2);
  EXPECT_TRUE(windows.has_work());
  EXPECT_THAT(NextIds(windows, 0), ElementsAre(3));
}

TEST(DeliveryWindowsTest, AStreamWithoutRoomDoesNotHoldUpTheOther) {
  DeliveryWindows windows;
  windows.Up(0);
  windows.Up(1);
  windows.SetCredit(0, 1);
  windows.SetCredit(1, 3);
  windows.Push(Calls(1, 5));
  EXPECT_THAT(NextIds(windows, 1), ElementsAre(1, 2, 3));
  EXPECT_THAT(NextIds(windows, 0), ElementsAre(4));
  windows.Heard(1);
  EXPECT_THAT(NextIds(windows, 1), ElementsAre(5));
}

TEST(DeliveryWindowsTest, HearingTwiceOfACallFreesOnePlace) {
  DeliveryWindows windows;
  windows.Up(0);
  windows.SetCredit(0, 1);
  windows.Push(Calls(1, 3));
  EXPECT_THAT(NextIds(windows, 0), ElementsAre(1));
  windows.Heard(1);
  windows.Heard(1);
  EXPECT_THAT(NextIds(windows, 0), ElementsAre(2));
  EXPECT_EQ(windows.Next(100), std::nullopt);
}

TEST(DeliveryWindowsTest, WaitingCallsEndWithTheirPermit) {
  DeliveryWindows windows;
  windows.Up(0);
  windows.SetCredit(0, 1);
  windows.Push(Calls(1, 2));
  EXPECT_THAT(NextIds(windows, 0), ElementsAre(1));
  EXPECT_THAT(windows.TakeUnsendable(kStart), IsEmpty());
  EXPECT_THAT(windows.TakeUnsendable(kStart + absl::Seconds(1)), ElementsAre(2));
  EXPECT_EQ(windows.waiting(), 0u);
}

TEST(DeliveryWindowsTest, WithoutAnyStreamNothingWaits) {
  DeliveryWindows windows;
  windows.Push(Calls(1, 2));
  EXPECT_TRUE(windows.has_work());
  EXPECT_THAT(windows.TakeUnsendable(kStart), ElementsAre(1, 2));
}

TEST(DeliveryWindowsTest, ANewStreamBeginsWithAnEmptyWindow) {
  DeliveryWindows windows;
  windows.Up(0);
  windows.SetCredit(0, 1);
  windows.Push(Calls(1, 2));
  EXPECT_THAT(NextIds(windows, 0), ElementsAre(1));
  windows.Down(0);
  windows.Up(0);
  windows.SetCredit(0, 1);
  EXPECT_THAT(NextIds(windows, 0), ElementsAre(2));
  windows.Heard(1);  // Of the former stream: frees nothing here.
  windows.Push(Calls(3, 3));
  EXPECT_EQ(windows.Next(100), std::nullopt);
}

TEST(DeliveryWindowsTest, ALostReportDoesNotKeepItsPlaceForEver) {
  DeliveryWindows windows;
  windows.Up(0);
  windows.SetCredit(0, 1);
  windows.Push(Calls(1, 1));
  EXPECT_THAT(NextIds(windows, 0), ElementsAre(1));
  windows.TakeUnsendable(kStart + absl::Seconds(1) + DeliveryWindows::kForgetAfter);
  EXPECT_EQ(windows.under_way(), 0u);
  windows.Push(Calls(2, 2));
  EXPECT_THAT(NextIds(windows, 0), ElementsAre(2));
}

}  // namespace
}  // namespace fleetcast::method_dispatch
