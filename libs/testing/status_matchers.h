// GoogleTest matchers for absl::Status and absl::StatusOr, of the shape of upstream's.
//
//   FLEETCAST_EXPECT_OK(store.Cancel(id));
//   FLEETCAST_ASSERT_OK_AND_ASSIGN(const Job job, store.GetJob(id));
//   EXPECT_THAT(store.Count(), IsOkAndHolds(3));
//   EXPECT_THAT(store.GetJob("x"), StatusIs(absl::StatusCode::kNotFound, "JOB_NOT_FOUND"));   // code, reason
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/status.h"

namespace fleetcast::testing {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& value) {
  return value.status();
}

MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return arg.ok();
}

MATCHER_P(IsOkAndHolds, matcher, "is OK and holds a value that matches") {
  if (!arg.ok()) {
    *result_listener << arg.status().ToString();
    return false;
  }
  using Value = std::decay_t<decltype(*arg)>;
  return ::testing::ExplainMatchResult(::testing::SafeMatcherCast<const Value&>(matcher), *arg, result_listener);
}

MATCHER_P(StatusIs, code, "has the status code " + absl::StatusCodeToString(code)) {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).code() == code;
}

MATCHER_P2(StatusIs, code, reason, "has the status code " + absl::StatusCodeToString(code) + " and reason") {
  *result_listener << StatusOf(arg).ToString() << ", reason " << GetReason(StatusOf(arg));
  return StatusOf(arg).code() == code && GetReason(StatusOf(arg)) == reason;
}

}  // namespace fleetcast::testing

#define FLEETCAST_EXPECT_OK(expression) EXPECT_THAT(expression, ::fleetcast::testing::IsOk())
#define FLEETCAST_ASSERT_OK(expression) ASSERT_THAT(expression, ::fleetcast::testing::IsOk())
// Declares or assigns `lhs` from a StatusOr, or fails the test and returns.
#define FLEETCAST_ASSERT_OK_AND_ASSIGN(lhs, expression) \
  FLEETCAST_ASSERT_OK_AND_ASSIGN_IMPL_(FLEETCAST_TEST_CONCAT_(fleetcast_or_, __LINE__), lhs, expression)
#define FLEETCAST_ASSERT_OK_AND_ASSIGN_IMPL_(var, lhs, expression) \
  auto var = (expression);                                         \
  ASSERT_THAT(var, ::fleetcast::testing::IsOk());                  \
  lhs = *std::move(var)
#define FLEETCAST_TEST_CONCAT_(a, b) FLEETCAST_TEST_CONCAT_INNER_(a, b)
#define FLEETCAST_TEST_CONCAT_INNER_(a, b) a##b
