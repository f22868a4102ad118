#include "services/job_api/request_hash.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "absl/strings/escaping.h"

namespace fleetcast::job_api {
namespace {

job_store::JobSpec MethodSpec() {
  job_store::JobSpec spec;
  spec.id = "lock-43";
  spec.condition = "tags.building = '43'";
  spec.action = job_store::MethodAction{"lockDoor", "null", absl::Seconds(30), absl::ZeroDuration()};
  spec.execution_timeout = absl::Hours(1);
  return spec;
}

std::string Hex(const job_store::JobSpec& spec) { return absl::BytesToHexString(RequestHash(spec)); }

// Hashes are stored with jobs: a repeat of a request that was made before an upgrade must still be recognised.
TEST(RequestHashTest, OfSpecsWithoutNewerFieldsNeverChanges) {
  EXPECT_EQ(Hex(MethodSpec()), "48c1c29a3c53c940f0f2edc275aaef1a8426ac5f493ea8e9a8b2e7e8f2650c42");
  job_store::JobSpec twin;
  twin.id = "move-1";
  twin.condition = "*";
  twin.action = job_store::TwinAction{"", R"({"a":1})", "*"};
  twin.execution_timeout = absl::Hours(1);
  EXPECT_EQ(Hex(twin), "b58d421ffd3c1e104650f4fce9f1f525bcab02b85d4cceba23e89d50f842da46");
}

TEST(RequestHashTest, EachFieldMakesADifference) {
  using Spec = job_store::JobSpec;
  const auto method = [](Spec& spec) -> job_store::MethodAction& {
    return std::get<job_store::MethodAction>(spec.action);
  };
  const std::vector<std::function<void(Spec&)>> changes = {
      [](Spec& spec) { spec.id = "x"; },
      [](Spec& spec) { spec.condition = "*"; },
      [&](Spec& spec) { method(spec).method = "openDoor"; },
      [&](Spec& spec) { method(spec).payload = "1"; },
      [&](Spec& spec) { method(spec).response_timeout = absl::Seconds(31); },
      [&](Spec& spec) { method(spec).connect_timeout = absl::Seconds(1); },
      [&](Spec& spec) { method(spec).wait_for_connection = true; },
      [](Spec& spec) { spec.start_time = absl::FromUnixSeconds(1'800'000'000); },
      [](Spec& spec) { spec.execution_timeout = absl::Seconds(7); },
      [](Spec& spec) { spec.priority = 9; },
      [](Spec& spec) { spec.rollout.maximum_per_minute = 1; },
      [](Spec& spec) { spec.rollout.in_flight_max = 1; },
      [](Spec& spec) {
        spec.rollout.exponential_rate = ExponentialRate{1, 1.5, 10, 0};
      },
      [](Spec& spec) {
        spec.rollout.exponential_rate = ExponentialRate{1, 1.5, 0, 10};
      },
      [](Spec& spec) {
        spec.rollout.exponential_rate = ExponentialRate{1, 1.5000000000000002, 10, 0};
      },
      [](Spec& spec) {
        spec.rollout.abort_criteria = {{FailureType::kAll, 10, 1}};
      },
      [](Spec& spec) {
        spec.rollout.abort_criteria = {{FailureType::kAll, 10, 2}};
      },
      [](Spec& spec) {
        spec.rollout.abort_criteria = {{FailureType::kFailed, 10, 1}};
      },
      [](Spec& spec) {
        spec.retry.criteria = {{FailureType::kNotOnline, 1}};
      },
      [](Spec& spec) {
        spec.retry = {true, {{FailureType::kNotOnline, 1}}};
      },
      [](Spec& spec) {
        spec.retry = {false, {{FailureType::kNotOnline, 1}}, absl::Seconds(2)};
      },
      [](Spec& spec) {
        spec.retry = {false, {{FailureType::kNotOnline, 1}}, absl::Seconds(1), absl::Seconds(2)};
      },
      [](Spec& spec) {
        spec.retried = {"old", {ExecutionState::kFailed}, false};
      },
      [](Spec& spec) {
        spec.retried = {"old", {ExecutionState::kFailed}, true};
      },
      [](Spec& spec) {
        spec.retried = {"old", {ExecutionState::kTimedOut}, false};
      },
  };
  std::set<std::string> hashes = {Hex(MethodSpec())};
  for (const auto& change : changes) {
    job_store::JobSpec spec = MethodSpec();
    change(spec);
    EXPECT_TRUE(hashes.insert(Hex(spec)).second) << "change " << hashes.size();
  }
  EXPECT_EQ(hashes.size(), changes.size() + 1);
}

TEST(RequestHashTest, IsEqualForEqualSpecs) { EXPECT_EQ(RequestHash(MethodSpec()), RequestHash(MethodSpec())); }

}  // namespace
}  // namespace fleetcast::job_api
