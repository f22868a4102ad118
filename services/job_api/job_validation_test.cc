#include "services/job_api/job_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "libs/base/status.h"
#include "libs/rpc/status.h"
#include "services/job_api/proto_time.h"

namespace fleetcast::job_api {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
constexpr absl::Duration kHorizon = absl::Hours(168);

jobs::v1::CreateJobRequest MethodRequest() {
  jobs::v1::CreateJobRequest request;
  request.mutable_job()->set_id("lock-43");
  request.mutable_job()->set_condition("tags.building = '43'");
  request.mutable_job()->mutable_invoke_method()->set_method("lockDoor");
  return request;
}

std::string ReasonOf(const jobs::v1::CreateJobRequest& request) {
  return GetReason(ValidateCreate(request, kNow, kHorizon).status());
}

TEST(JobValidationTest, FillsInTheDefaults) {
  const auto spec = ValidateCreate(MethodRequest(), kNow, kHorizon);
  ASSERT_TRUE(spec.ok()) << spec.status();
  const auto& method = std::get<job_store::MethodAction>(spec->action);
  EXPECT_EQ(method.payload, "null");
  EXPECT_EQ(method.response_timeout, absl::Seconds(30));
  EXPECT_EQ(method.connect_timeout, absl::ZeroDuration());
  EXPECT_EQ(spec->execution_timeout, absl::Hours(1));
  EXPECT_FALSE(spec->start_time.has_value());
}

TEST(JobValidationTest, NamesEveryWrongField) {
  jobs::v1::CreateJobRequest request;
  request.mutable_job()->set_id("no spaces");
  request.mutable_job()->mutable_invoke_method()->set_method("a/b");
  const absl::Status status = ValidateCreate(request, kNow, kHorizon).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  std::vector<std::string> fields;
  for (const rpc::FieldViolation& violation : rpc::GetFieldViolations(status)) fields.push_back(violation.field);
  EXPECT_THAT(fields, ElementsAre("job.id", "job.invoke_method.method", "job.condition"));
}

TEST(JobValidationTest, RefusesWithTheReasonOfTheBrokenRule) {
  auto request = MethodRequest();
  request.mutable_job()->set_id("query");
  EXPECT_EQ(ReasonOf(request), "INVALID_JOB_ID");

  request = MethodRequest();
  request.mutable_job()->clear_action();
  EXPECT_EQ(ReasonOf(request), "INVALID_ACTION");

  request = MethodRequest();
  request.mutable_job()->mutable_invoke_method()->set_payload("{not json");
  EXPECT_EQ(ReasonOf(request), "INVALID_PAYLOAD");

  request = MethodRequest();
  request.mutable_job()->mutable_invoke_method()->set_payload("\"" + std::string(kPayloadBytesMax, 'x') + "\"");
  EXPECT_EQ(ReasonOf(request), "PAYLOAD_TOO_LARGE");

  request = MethodRequest();
  request.mutable_job()->mutable_invoke_method()->mutable_response_timeout()->set_seconds(4);
  EXPECT_EQ(ReasonOf(request), "INVALID_TIMEOUT");

  request = MethodRequest();
  ToProto(kNow + kHorizon + absl::Seconds(1), request.mutable_job()->mutable_start_time());
  EXPECT_EQ(ReasonOf(request), "INVALID_START_TIME");

  request = MethodRequest();
  request.mutable_job()->mutable_update_twin()->set_desired_patch("[1]");
  EXPECT_EQ(ReasonOf(request), "INVALID_TWIN");
}

TEST(JobValidationTest, ABadConditionIsRefusedUnlessTheCallerWantsItStored) {
  auto request = MethodRequest();
  request.mutable_job()->set_condition("tags.a = = 1");
  EXPECT_EQ(ReasonOf(request), "INVALID_CONDITION");
  request.set_accept_invalid_condition(true);
  EXPECT_EQ(ReasonOf(request), "");
  request.mutable_job()->set_condition("  ");
  EXPECT_EQ(ReasonOf(request), "INVALID_CONDITION");
}

TEST(JobValidationTest, APastStartTimeIsFine) {
  auto request = MethodRequest();
  ToProto(kNow - absl::Hours(1), request.mutable_job()->mutable_start_time());
  EXPECT_EQ(ReasonOf(request), "");
}

std::vector<std::string> FieldsOf(const jobs::v1::CreateJobRequest& request) {
  std::vector<std::string> fields;
  for (const rpc::FieldViolation& violation :
       rpc::GetFieldViolations(ValidateCreate(request, kNow, kHorizon).status())) {
    fields.push_back(violation.field);
  }
  return fields;
}

// Sets one number of a request and says which field is wrong then; empty = none.
struct Bound {
  std::string field;
  std::function<void(jobs::v1::Job&, double)> set;
  std::vector<double> good;
  std::vector<double> bad;
};

void ExpectBounds(const std::string& reason, const std::vector<Bound>& bounds) {
  for (const Bound& bound : bounds) {
    auto request = MethodRequest();
    for (const double value : bound.good) {
      bound.set(*request.mutable_job(), value);
      EXPECT_THAT(FieldsOf(request), IsEmpty()) << bound.field << " = " << value;
    }
    for (const double value : bound.bad) {
      bound.set(*request.mutable_job(), value);
      EXPECT_EQ(ReasonOf(request), reason) << bound.field << " = " << value;
      EXPECT_THAT(FieldsOf(request), ElementsAre(bound.field)) << bound.field << " = " << value;
    }
  }
}

jobs::v1::ExponentialRate& Ramp(jobs::v1::Job& job) {
  jobs::v1::ExponentialRate& ramp = *job.mutable_rollout()->mutable_exponential_rate();
  if (ramp.base_rate_per_minute() == 0) {
    ramp.set_base_rate_per_minute(50);
    ramp.set_increment_factor(2);
    ramp.set_number_of_notified_devices(1000);
  }
  return ramp;
}

jobs::v1::AbortCriterion& Abort(jobs::v1::Job& job) {
  if (job.rollout().abort_criteria().empty()) {
    job.mutable_rollout()->add_abort_criteria()->set_failure_type(jobs::v1::FAILURE_TYPE_ALL);
    job.mutable_rollout()->mutable_abort_criteria(0)->set_threshold_percentage(10);
  }
  return *job.mutable_rollout()->mutable_abort_criteria(0);
}

jobs::v1::RetryCriterion& Retry(jobs::v1::Job& job) {
  if (job.retry().criteria().empty()) {
    job.mutable_retry()->add_criteria()->set_failure_type(jobs::v1::FAILURE_TYPE_NOT_ONLINE);
    job.mutable_retry()->mutable_criteria(0)->set_number_of_retries(1);
  }
  return *job.mutable_retry()->mutable_criteria(0);
}

// A span of `seconds`, exact to the millisecond.
void SetSpan(double seconds, google::protobuf::Duration* out) {
  ToProto(absl::Milliseconds(std::llround(seconds * 1000)), out);
}

constexpr double kFar = 2'147'483'647;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(RolloutValidationTest, HoldsTheBoundsOfEachNumber) {
  const auto rate = [](jobs::v1::Job& job, double value) {
    job.mutable_rollout()->set_maximum_per_minute(static_cast<int32_t>(value));
  };
  const auto in_flight = [](jobs::v1::Job& job, double value) {
    job.mutable_rollout()->set_in_flight_max(static_cast<int32_t>(value));
  };
  ExpectBounds("INVALID_ROLLOUT",
               {{"job.rollout.maximum_per_minute", rate, {0, 1, 6'000'000}, {-1, 6'000'001, kFar, -kFar}},
                {"job.rollout.in_flight_max", in_flight, {0, 1, 1'000'000}, {-1, 1'000'001, kFar, -kFar}}});
}

TEST(RolloutValidationTest, HoldsTheBoundsOfARamp) {
  const auto base = [](jobs::v1::Job& job, double value) {
    Ramp(job).set_base_rate_per_minute(static_cast<int32_t>(value));
  };
  const auto factor = [](jobs::v1::Job& job, double value) { Ramp(job).set_increment_factor(value); };
  const auto notified = [](jobs::v1::Job& job, double value) {
    Ramp(job).set_number_of_notified_devices(static_cast<int64_t>(value));
  };
  const auto succeeded = [](jobs::v1::Job& job, double value) {
    Ramp(job).set_number_of_succeeded_devices(static_cast<int64_t>(value));
  };
  const std::string path = "job.rollout.exponential_rate.";
  ExpectBounds("INVALID_ROLLOUT",
               {{path + "base_rate_per_minute", base, {1, 6'000'000}, {-1, 6'000'001, kFar}},
                {path + "increment_factor", factor, {1.0001, 5}, {1, 0, -2, 5.0001, 1e300, kNan, kInfinity}},
                {path + "number_of_notified_devices", notified, {1, 100'000'000}, {-1, 100'000'001, 9e18}},
                {path + "number_of_succeeded_devices", succeeded, {1, 100'000'000}, {-1, 100'000'001, 9e18}},
                {path + "rate_increase_criteria", notified, {}, {0}}});
}

TEST(RolloutValidationTest, ARampMayNotStartAboveItsCeiling) {
  auto request = MethodRequest();
  request.mutable_job()->mutable_rollout()->set_maximum_per_minute(50);
  Ramp(*request.mutable_job());
  EXPECT_THAT(FieldsOf(request), IsEmpty());
  request.mutable_job()->mutable_rollout()->set_maximum_per_minute(49);
  EXPECT_THAT(FieldsOf(request), ElementsAre("job.rollout.exponential_rate.base_rate_per_minute"));
}

TEST(RolloutValidationTest, HoldsTheBoundsOfAbortCriteria) {
  const auto type = [](jobs::v1::Job& job, double value) {
    Abort(job).set_failure_type(static_cast<jobs::v1::FailureType>(value));
  };
  const auto share = [](jobs::v1::Job& job, double value) { Abort(job).set_threshold_percentage(value); };
  const auto least = [](jobs::v1::Job& job, double value) {
    Abort(job).set_min_number_of_executed_devices(static_cast<int64_t>(value));
  };
  const std::string path = "job.rollout.abort_criteria[0].";
  ExpectBounds("INVALID_ROLLOUT",
               {{path + "failure_type", type, {1, 2, 3, 5}, {0, 4, 6, -1, 65537}},
                {path + "threshold_percentage", share, {0.001, 100}, {0, -1, 100.0001, 1e300, kNan, kInfinity}},
                {path + "min_number_of_executed_devices", least, {0, 1, 100'000'000}, {-1, 100'000'001, 9e18}}});
}

TEST(RolloutValidationTest, RefusesTooManyAbortCriteria) {
  auto request = MethodRequest();
  const jobs::v1::AbortCriterion criterion = Abort(*request.mutable_job());
  while (request.job().rollout().abort_criteria_size() < 8) {
    *request.mutable_job()->mutable_rollout()->add_abort_criteria() = criterion;
  }
  EXPECT_THAT(FieldsOf(request), IsEmpty());
  for (const int count : {9, 10'000}) {
    while (request.job().rollout().abort_criteria_size() < count) {
      *request.mutable_job()->mutable_rollout()->add_abort_criteria() = criterion;
    }
    EXPECT_THAT(FieldsOf(request), ElementsAre("job.rollout.abort_criteria")) << count;
  }
}

TEST(RetryValidationTest, HoldsTheBoundsOfEachNumber) {
  const auto retries = [](jobs::v1::Job& job, double value) {
    Retry(job).set_number_of_retries(static_cast<int32_t>(value));
  };
  const auto type = [](jobs::v1::Job& job, double value) {
    job.mutable_retry()->set_idempotent(true);
    Retry(job).set_failure_type(static_cast<jobs::v1::FailureType>(value));
  };
  const auto first = [](jobs::v1::Job& job, double value) {
    SetSpan(value, job.mutable_retry()->mutable_backoff_min());
    SetSpan(24 * 3600, job.mutable_retry()->mutable_backoff_max());
  };
  const auto longest = [](jobs::v1::Job& job, double value) {
    SetSpan(2, job.mutable_retry()->mutable_backoff_min());
    SetSpan(value, job.mutable_retry()->mutable_backoff_max());
  };
  ExpectBounds("INVALID_RETRY",
               {{"job.retry.criteria[0].number_of_retries", retries, {1, 10}, {0, -1, 11, kFar}},
                {"job.retry.criteria[0].failure_type", type, {1, 2, 3, 4, 5}, {0, 6, -1, 65537}},
                {"job.retry.backoff_min", first, {0.1, 3600}, {0.099, 0, -1, 3600.001, 86'400}},
                {"job.retry.backoff_max", longest, {2, 24 * 3600}, {1.999, 0, -1, 24 * 3600 + 0.001, 1e12}}});
}

TEST(RetryValidationTest, RefusesWhatIsNamedTwiceAndTooMany) {
  auto request = MethodRequest();
  const jobs::v1::RetryCriterion criterion = Retry(*request.mutable_job());
  *request.mutable_job()->mutable_retry()->add_criteria() = criterion;
  EXPECT_THAT(FieldsOf(request), ElementsAre("job.retry.criteria[1].failure_type"));
  for (const int count : {6, 10'000}) {
    while (request.job().retry().criteria_size() < count)
      *request.mutable_job()->mutable_retry()->add_criteria() = criterion;
    EXPECT_THAT(FieldsOf(request), ElementsAre("job.retry.criteria")) << count;
  }
}

TEST(RetryValidationTest, WantsTheOwnersWordForAllButProofOfNotSent) {
  auto request = MethodRequest();
  Retry(*request.mutable_job());
  EXPECT_THAT(FieldsOf(request), IsEmpty());
  Retry(*request.mutable_job()).set_failure_type(jobs::v1::FAILURE_TYPE_TIMED_OUT);
  EXPECT_EQ(ReasonOf(request), "INVALID_RETRY");
  EXPECT_THAT(FieldsOf(request), ElementsAre("job.retry.idempotent"));
  request.mutable_job()->mutable_retry()->set_idempotent(true);
  EXPECT_THAT(FieldsOf(request), IsEmpty());
}

TEST(RetryValidationTest, IsForMethodJobs) {
  auto request = MethodRequest();
  request.mutable_job()->mutable_update_twin()->set_desired_patch("{}");
  Retry(*request.mutable_job());
  EXPECT_THAT(FieldsOf(request), ElementsAre("job.retry.criteria"));
}

TEST(RetryValidationTest, WithoutCriteriaNothingIsKept) {
  auto request = MethodRequest();
  request.mutable_job()->mutable_retry()->set_idempotent(true);
  SetSpan(7, request.mutable_job()->mutable_retry()->mutable_backoff_min());
  EXPECT_EQ(ValidateCreate(request, kNow, kHorizon)->retry, RetryPolicy());
}

TEST(JobValidationTest, HoldsTheBoundsOfPriorityAndOfflinePolicy) {
  const auto priority = [](jobs::v1::Job& job, double value) { job.set_priority(static_cast<int32_t>(value)); };
  const auto offline = [](jobs::v1::Job& job, double value) {
    job.mutable_invoke_method()->set_offline_policy(static_cast<jobs::v1::InvokeMethodAction::OfflinePolicy>(value));
  };
  ExpectBounds("INVALID_VALUE", {{"job.priority", priority, {0, 1, 9}, {-1, 10, kFar, -kFar}},
                                 {"job.invoke_method.offline_policy", offline, {0, 1, 2}, {3, -1, kFar}}});
}

TEST(JobValidationTest, ReadsPriorityAndOfflinePolicy) {
  auto request = MethodRequest();
  EXPECT_EQ(ValidateCreate(request, kNow, kHorizon)->priority, kPriorityDefault);
  EXPECT_FALSE(std::get<job_store::MethodAction>(ValidateCreate(request, kNow, kHorizon)->action).wait_for_connection);
  request.mutable_job()->set_priority(9);
  request.mutable_job()->mutable_invoke_method()->set_offline_policy(jobs::v1::InvokeMethodAction::OFFLINE_POLICY_WAIT);
  const auto spec = ValidateCreate(request, kNow, kHorizon);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->priority, 9);
  EXPECT_TRUE(std::get<job_store::MethodAction>(spec->action).wait_for_connection);
}

}  // namespace
}  // namespace fleetcast::job_api
