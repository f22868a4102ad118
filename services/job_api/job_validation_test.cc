#include "services/job_api/job_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/rpc/status.h"
#include "services/job_api/proto_time.h"

namespace fleetcast::job_api {
namespace {

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
  EXPECT_THAT(fields, ::testing::ElementsAre("job.id", "job.invoke_method.method", "job.condition"));
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

TEST(RequestHashTest, IsEqualForEqualRequestsOnly) {
  const auto spec = [](const jobs::v1::CreateJobRequest& request) { return *ValidateCreate(request, kNow, kHorizon); };
  auto other = MethodRequest();
  EXPECT_EQ(RequestHash(spec(MethodRequest())), RequestHash(spec(other)));
  other.mutable_job()->mutable_invoke_method()->set_method("openDoor");
  EXPECT_NE(RequestHash(spec(MethodRequest())), RequestHash(spec(other)));
  other = MethodRequest();
  other.mutable_job()->mutable_execution_timeout()->set_seconds(7);
  EXPECT_NE(RequestHash(spec(MethodRequest())), RequestHash(spec(other)));
}

}  // namespace
}  // namespace fleetcast::job_api
