// Pace, safety and retries on the command line. Pure: flags become messages; bounds are checked by the service.
//
//   --rate-per-minute 600   --in-flight-max 200   --ramp 50,2,notified=1000   --abort failed=5%,min=100
//   --retry timed_out=2   --backoff 5s..2m
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fleetcast/jobs/v1/rollout.pb.h"

namespace CLI {
class App;
}  // namespace CLI

namespace fleetcast::cli {

// Flags of RolloutPolicy as they were given; empty = not given.
struct RolloutOptions {
  std::string rate_per_minute{};
  std::string in_flight_max{};
  std::string ramp{};                 // "none" takes the ramp away.
  std::vector<std::string> aborts{};  // "none" alone takes all criteria away.

  bool is_empty() const;
};

// Flags of RetryPolicy as they were given.
struct RetryOptions {
  std::vector<std::string> retries{};
  bool idempotent = false;
  std::string backoff{};
};

void AddRolloutOptions(CLI::App& command, RolloutOptions& options);
void AddRetryOptions(CLI::App& command, RetryOptions& options);

// Puts what was given into `policy` and leaves the rest of it as it is. INVALID_ARGUMENT says what is wrong with which
// flag and what is right.
absl::Status ApplyRollout(const RolloutOptions& options, jobs::v1::RolloutPolicy& policy);
absl::Status ApplyRetry(const RetryOptions& options, jobs::v1::RetryPolicy& policy);

// "600" or "1,000,000" as a number. INVALID_ARGUMENT names the flag.
absl::StatusOr<int64_t> ParseCount(const std::string& flag, const std::string& text);
// "7" as a priority.
absl::StatusOr<int32_t> ParsePriority(const std::string& text);
// "50,2,notified=1000" or "50,1.5,succeeded=100": devices a minute at the start, factor, step.
absl::StatusOr<jobs::v1::ExponentialRate> ParseRamp(const std::string& text);
// "failed=5%" or "all=12.5,min=100".
absl::StatusOr<jobs::v1::AbortCriterion> ParseAbort(const std::string& text);
// "not_online=3".
absl::StatusOr<jobs::v1::RetryCriterion> ParseRetry(const std::string& text);

}  // namespace fleetcast::cli
