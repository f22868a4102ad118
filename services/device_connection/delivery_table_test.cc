#include "services/device_connection/delivery_table.h"

#include <gtest/gtest.h>

namespace fleetcast::device_connection {
namespace {

using internal::v1::DeliverEvent;

constexpr DispatcherStream kStream = 3;
constexpr EdgeNumber kEdge = 9;
constexpr int64_t kCredit = 100;

DeliverEvent SentEvent(uint64_t call_id) {
  DeliverEvent event;
  event.set_call_id(call_id);
  event.mutable_sent();
  return event;
}

DeliverEvent AnswerEvent(uint64_t call_id) {
  DeliverEvent event;
  event.set_call_id(call_id);
  event.mutable_answer();
  return event;
}

absl::Duration At(int seconds) { return absl::Seconds(seconds); }

class DeliveryTableTest : public ::testing::Test {
 protected:
  DeliveryTable table_{{.calls_max = 2, .orphans_max = 2, .orphan_ttl = absl::Seconds(60)}};
};

TEST_F(DeliveryTableTest, ReportsGoToTheStreamThatAsked) {
  ASSERT_TRUE(table_.Add(1, kStream, kEdge, kCredit, At(30)));
  EXPECT_EQ(table_.OnReport(SentEvent(1), At(0)).stream, kStream);
  EXPECT_EQ(table_.call_count(), 1u);
  EXPECT_EQ(table_.OnReport(AnswerEvent(1), At(1)).stream, kStream);
  EXPECT_EQ(table_.call_count(), 0u);
}

TEST_F(DeliveryTableTest, KeepsACallUntilItsWaitingAnswerIsTaken) {
  ASSERT_TRUE(table_.Add(1, kStream, kEdge, kCredit, At(30)));
  EXPECT_EQ(table_.TakeAnswer(1), std::nullopt);  // It has none yet.
  DeliverEvent event = AnswerEvent(1);
  event.mutable_answer()->set_waiting_session(7);
  EXPECT_EQ(table_.OnReport(event, At(1)).stream, kStream);
  EXPECT_EQ(table_.OnReport(event, At(1)).stream, kStream);  // Told again by an edge that attached again.
  EXPECT_EQ(table_.TakeAnswer(1), kEdge);
  EXPECT_EQ(table_.TakeAnswer(1), std::nullopt);
  EXPECT_EQ(table_.call_count(), 0u);
}

TEST_F(DeliveryTableTest, ACallWhoseAnswerWaitsHasEndedForALostEdge) {
  ASSERT_TRUE(table_.Add(1, kStream, kEdge, kCredit, At(30)));
  DeliverEvent event = AnswerEvent(1);
  event.mutable_answer()->set_waiting_session(7);
  table_.OnReport(event, At(1));
  EXPECT_TRUE(table_.OnEdgeLost(kEdge, At(2)).empty());
  EXPECT_EQ(table_.call_count(), 0u);
}

TEST_F(DeliveryTableTest, AnAnswerThatNobodyTakesIsForgottenInTime) {
  ASSERT_TRUE(table_.Add(1, kStream, kEdge, kCredit, At(30)));
  DeliverEvent event = AnswerEvent(1);
  event.mutable_answer()->set_waiting_session(7);
  table_.OnReport(event, At(1));
  table_.OnTime(At(30));
  EXPECT_EQ(table_.call_count(), 0u);
}

TEST_F(DeliveryTableTest, IsBoundedAndTakesACallOnce) {
  EXPECT_TRUE(table_.Add(1, kStream, kEdge, kCredit, At(30)));
  EXPECT_FALSE(table_.Add(1, kStream, kEdge, kCredit, At(30)));
  EXPECT_TRUE(table_.Add(2, kStream, kEdge, kCredit, At(30)));
  EXPECT_FALSE(table_.Add(3, kStream, kEdge, kCredit, At(30)));
  table_.Remove(1);
  EXPECT_TRUE(table_.Add(3, kStream, kEdge, kCredit, At(30)));
}

TEST_F(DeliveryTableTest, AnEdgeGetsNoMoreThanItsCreditUntilItReports) {
  EXPECT_TRUE(table_.Add(1, kStream, kEdge, 1, At(30)));
  EXPECT_FALSE(table_.Add(2, kStream, kEdge, 1, At(30)));
  EXPECT_TRUE(table_.Add(3, kStream, kEdge + 1, 1, At(30)));
  table_.Remove(3);
  table_.OnReport(SentEvent(1), At(0));
  EXPECT_TRUE(table_.Add(2, kStream, kEdge, 1, At(30)));
  table_.OnReport(AnswerEvent(1), At(0));  // Has freed its place with SENT.
  EXPECT_FALSE(table_.Add(4, kStream, kEdge, 1, At(30)));
}

TEST_F(DeliveryTableTest, ForgottenCallsFreeTheirCredit) {
  EXPECT_TRUE(table_.Add(1, kStream, kEdge, 1, At(30)));
  table_.OnTime(At(30));
  EXPECT_TRUE(table_.Add(2, kStream, kEdge, 1, At(60)));
  table_.OnEdgeLost(kEdge, At(31));
  EXPECT_TRUE(table_.Add(3, kStream, kEdge, 1, At(60)));
}

TEST_F(DeliveryTableTest, EventsOfALostStreamWaitForWhoeverAttaches) {
  table_.Add(1, kStream, kEdge, kCredit, At(30));
  table_.OnStreamGone(kStream);
  EXPECT_EQ(table_.OnReport(SentEvent(1), At(0)).stream, 0u);
  EXPECT_EQ(table_.OnReport(AnswerEvent(1), At(1)).stream, 0u);
  const auto orphans = table_.Orphans(At(2));
  ASSERT_EQ(orphans.size(), 2u);
  EXPECT_TRUE(orphans[0].has_sent());
  EXPECT_TRUE(orphans[1].has_answer());
}

TEST_F(DeliveryTableTest, ReportsOfUnknownCallsAreOrphans) {
  EXPECT_EQ(table_.OnReport(AnswerEvent(77), At(0)).stream, 0u);
  EXPECT_EQ(table_.Orphans(At(59)).size(), 1u);
  EXPECT_EQ(table_.Orphans(At(60)).size(), 0u);
}

TEST_F(DeliveryTableTest, TheOldestOrphanGivesWay) {
  for (uint64_t id = 1; id <= 3; ++id) table_.OnReport(AnswerEvent(id), At(0));
  const auto orphans = table_.Orphans(At(0));
  ASSERT_EQ(orphans.size(), 2u);
  EXPECT_EQ(orphans[0].call_id(), 2u);
}

TEST_F(DeliveryTableTest, ALostEdgeEndsItsCallsAsUnknown) {
  table_.Add(1, kStream, kEdge, kCredit, At(30));
  table_.Add(2, kStream, kEdge + 1, kCredit, At(30));
  const auto ended = table_.OnEdgeLost(kEdge, At(0));
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].stream, kStream);
  EXPECT_EQ(ended[0].event.call_id(), 1u);
  EXPECT_EQ(ended[0].event.unknown().reason(), internal::v1::UNKNOWN_REASON_EDGE_LOST);
  EXPECT_EQ(table_.call_count(), 1u);
}

TEST_F(DeliveryTableTest, ForgetsCallsWhoseTimeIsOver) {
  table_.Add(1, kStream, kEdge, kCredit, At(30));
  table_.OnTime(At(29));
  EXPECT_EQ(table_.call_count(), 1u);
  table_.OnTime(At(30));
  EXPECT_EQ(table_.call_count(), 0u);
}

}  // namespace
}  // namespace fleetcast::device_connection
