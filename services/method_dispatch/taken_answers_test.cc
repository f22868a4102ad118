#include "services/method_dispatch/taken_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::method_dispatch {
namespace {

using ::testing::ElementsAre;

TEST(TakenAnswersTest, GoBackTheWayTheyCame) {
  TakenAnswers taken;
  taken.Up(0);
  taken.Up(1);
  taken.Push({{1, 10, 7}, {0, 11, 8}, {1, 12, 9}});
  const auto first = taken.Next(100);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->delivery, 0u);
  EXPECT_THAT(first->answers, ElementsAre(WaitingAnswer{0, 11, 8}));
  const auto second = taken.Next(100);
  ASSERT_TRUE(second.has_value());
  EXPECT_THAT(second->answers, ElementsAre(WaitingAnswer{1, 10, 7}, WaitingAnswer{1, 12, 9}));
  EXPECT_FALSE(taken.has_work());
  EXPECT_FALSE(taken.Next(100).has_value());
}

TEST(TakenAnswersTest, WaitWhileTheStreamIsDown) {
  TakenAnswers taken;
  taken.Push({{0, 10, 7}});
  EXPECT_FALSE(taken.has_work());
  taken.Up(0);
  EXPECT_TRUE(taken.has_work());
  taken.Down(0);
  EXPECT_FALSE(taken.Next(100).has_value());
  taken.Up(0);
  EXPECT_TRUE(taken.Next(100).has_value());
}

TEST(TakenAnswersTest, WhatAStreamDidNotTakeGoesFirstNextTime) {
  TakenAnswers taken;
  taken.Up(0);
  taken.Push({{0, 10, 7}, {0, 11, 7}});
  taken.PutBack(*taken.Next(1));
  EXPECT_FALSE(taken.has_work());  // No use before something changes.
  taken.Push({{0, 12, 7}});
  EXPECT_THAT(taken.Next(100)->answers,
              ElementsAre(WaitingAnswer{0, 10, 7}, WaitingAnswer{0, 11, 7}, WaitingAnswer{0, 12, 7}));
}

TEST(TakenAnswersTest, TheOldestIsDroppedWhenTooManyWait) {
  TakenAnswers taken;
  for (CallId call = 0; call <= TakenAnswers::kWaitingMax; ++call) taken.Push({{0, call, 7}});
  EXPECT_EQ(taken.dropped(), 1);
  taken.Up(0);
  EXPECT_EQ(taken.Next(1)->answers[0].call, 1u);
}

}  // namespace
}  // namespace fleetcast::method_dispatch
