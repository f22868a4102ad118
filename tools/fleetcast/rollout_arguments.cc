#include "tools/fleetcast/rollout_arguments.h"

#include <limits>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "tools/fleetcast/arguments.h"
#include "tools/fleetcast/rollout_text.h"
#include "tools/fleetcast/suggest.h"

namespace fleetcast::cli {
namespace {

namespace jobs_pb = jobs::v1;

constexpr char kNone[] = "none";
constexpr char kRampExample[] = "50,2,notified=1000  (50 a minute, twice as many with each 1,000 that were started)";
constexpr char kAbortExample[] = "failed=5%,min=100  (when 5 % of at least 100 finished devices failed)";
constexpr char kRetryExample[] = "not_online=3  (up to 3 times when the device was not connected)";

const std::vector<jobs_pb::FailureType> kAbortTypes = {jobs_pb::FAILURE_TYPE_ALL, jobs_pb::FAILURE_TYPE_FAILED,
                                                       jobs_pb::FAILURE_TYPE_TIMED_OUT,
                                                       jobs_pb::FAILURE_TYPE_DEVICE_ERROR};
const std::vector<jobs_pb::FailureType> kRetryTypes = {jobs_pb::FAILURE_TYPE_NOT_ONLINE, jobs_pb::FAILURE_TYPE_FAILED,
                                                       jobs_pb::FAILURE_TYPE_TIMED_OUT,
                                                       jobs_pb::FAILURE_TYPE_DEVICE_ERROR, jobs_pb::FAILURE_TYPE_ALL};

absl::Status Wrong(const std::string& flag, const std::string& text, const std::string& problem,
                   const std::string& example) {
  return absl::InvalidArgumentError(absl::StrCat(flag, ": \"", text, "\" ", problem, "\ntry:   ", flag, " ", example));
}

// "notified=1000" as its two parts; nullopt without exactly one `=`.
std::optional<std::pair<std::string, std::string>> SplitPair(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '=');
  if (parts.size() != 2) return std::nullopt;
  return std::pair(parts[0], parts[1]);
}

bool ReadCount(std::string text, int64_t& count) {
  text = absl::StrReplaceAll(text, {{",", ""}, {"_", ""}});
  return absl::SimpleAtoi(text, &count);
}

// "timed_out" or "timed-out" as the enum value; of `types` only.
absl::StatusOr<jobs_pb::FailureType> ParseType(const std::string& flag, const std::string& text,
                                               const std::string& word,
                                               const std::vector<jobs_pb::FailureType>& types) {
  const std::string plain = absl::StrReplaceAll(word, {{"-", "_"}});
  std::vector<std::string> names;
  for (const jobs_pb::FailureType type : types) {
    names.push_back(FailureTypeName(type));
    if (names.back() == plain) return type;
  }
  const std::string meant = Suggest(plain, names);
  const size_t rest = text.find('=');
  return Wrong(
      flag, text, absl::StrCat("begins with none of ", absl::StrJoin(names, ", ")),
      absl::StrCat(meant.empty() ? names.front() : meant, rest == std::string::npos ? "=…" : text.substr(rest)));
}

absl::StatusOr<int32_t> ParseSmallCount(const std::string& flag, const std::string& text) {
  FLEETCAST_ASSIGN_OR_RETURN(const int64_t count, ParseCount(flag, text));
  if (count > std::numeric_limits<int32_t>::max()) return Wrong(flag, text, "is too large", "600");
  return static_cast<int32_t>(count);
}

absl::Status ApplyAborts(const std::vector<std::string>& aborts, jobs_pb::RolloutPolicy& policy) {
  policy.clear_abort_criteria();
  if (aborts.size() == 1 && aborts[0] == kNone) return absl::OkStatus();
  for (const std::string& text : aborts) {
    FLEETCAST_ASSIGN_OR_RETURN(*policy.add_abort_criteria(), ParseAbort(text));
  }
  return absl::OkStatus();
}

// "5s..2m".
absl::Status ApplyBackoff(const std::string& text, jobs_pb::RetryPolicy& policy) {
  const std::vector<std::string> parts = absl::StrSplit(text, "..");
  if (parts.size() != 2) return Wrong("--backoff", text, "is no range of times", "5s..2m");
  FLEETCAST_ASSIGN_OR_RETURN(const absl::Duration least, ParseSpan("--backoff", parts[0]));
  FLEETCAST_ASSIGN_OR_RETURN(const absl::Duration most, ParseSpan("--backoff", parts[1]));
  SetProto(least, policy.mutable_backoff_min());
  SetProto(most, policy.mutable_backoff_max());
  return absl::OkStatus();
}

}  // namespace

bool RolloutOptions::is_empty() const {
  return rate_per_minute.empty() && in_flight_max.empty() && ramp.empty() && aborts.empty();
}

void AddRolloutOptions(CLI::App& command, RolloutOptions& options) {
  command
      .add_option("--rate-per-minute", options.rate_per_minute, "Start at most so many devices a minute; 0 = no limit")
      ->type_name("N");
  command
      .add_option(
          "--ramp", options.ramp,
          "Start slowly: BASE devices a minute, times FACTOR each time N more were notified or succeeded, up to "
          "--rate-per-minute; none = no ramp")
      ->type_name("BASE,FACTOR,notified|succeeded=N");
  command.add_option("--in-flight-max", options.in_flight_max, "At most so many devices at a time; 0 = no limit")
      ->type_name("N");
  command
      .add_option("--abort", options.aborts,
                  "Stop the job when this share of its finished devices ended so: all, failed, timed_out or "
                  "device_error; looked at from N devices on; may be repeated; none = never")
      ->type_name("TYPE=PERCENT%[,min=N]")
      ->allow_extra_args(false);  // One value each time, so that it does not take the words behind it.
}

void AddRetryOptions(CLI::App& command, RetryOptions& options) {
  command
      .add_option("--retry", options.retries,
                  "Try again up to N times after: not_online, failed, timed_out, device_error or all; may be repeated; "
                  "all but not_online need --idempotent")
      ->type_name("TYPE=N")
      ->allow_extra_args(false);  // One value each time, so that it does not take the words behind it.
  command.add_flag("--idempotent", options.idempotent, "The method may run more than once on a device");
  command.add_option("--backoff", options.backoff, "First and longest pause before a retry; default 1s..5m")
      ->type_name("MIN..MAX");
}

absl::Status ApplyRollout(const RolloutOptions& options, jobs_pb::RolloutPolicy& policy) {
  if (!options.rate_per_minute.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const int32_t rate, ParseSmallCount("--rate-per-minute", options.rate_per_minute));
    policy.set_maximum_per_minute(rate);
  }
  if (!options.in_flight_max.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const int32_t most, ParseSmallCount("--in-flight-max", options.in_flight_max));
    policy.set_in_flight_max(most);
  }
  if (options.ramp == kNone) {
    policy.clear_exponential_rate();
  } else if (!options.ramp.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(*policy.mutable_exponential_rate(), ParseRamp(options.ramp));
  }
  return options.aborts.empty() ? absl::OkStatus() : ApplyAborts(options.aborts, policy);
}

absl::Status ApplyRetry(const RetryOptions& options, jobs_pb::RetryPolicy& policy) {
  if (options.retries.empty() && (options.idempotent || !options.backoff.empty())) {
    return absl::InvalidArgumentError(absl::StrCat(options.idempotent ? "--idempotent" : "--backoff",
                                                   " says nothing without --retry\ntry:   --retry ", kRetryExample));
  }
  policy.set_idempotent(options.idempotent);
  for (const std::string& text : options.retries) {
    FLEETCAST_ASSIGN_OR_RETURN(*policy.add_criteria(), ParseRetry(text));
  }
  return options.backoff.empty() ? absl::OkStatus() : ApplyBackoff(options.backoff, policy);
}

absl::StatusOr<int64_t> ParseCount(const std::string& flag, const std::string& text) {
  int64_t count = 0;
  if (ReadCount(text, count) && count >= 0) return count;
  return Wrong(flag, text, "is no number", "600");
}

absl::StatusOr<int32_t> ParsePriority(const std::string& text) {
  int32_t priority = 0;
  if (absl::SimpleAtoi(text, &priority)) return priority;
  return Wrong("--priority", text, "is no number", "7  (1 to 9; each step doubles the share)");
}

absl::StatusOr<jobs_pb::ExponentialRate> ParseRamp(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  if (parts.size() != 3) return Wrong("--ramp", text, "is not BASE,FACTOR,notified=N", kRampExample);
  jobs_pb::ExponentialRate ramp;
  int32_t base = 0;
  double factor = 0;
  if (!absl::SimpleAtoi(parts[0], &base)) return Wrong("--ramp", text, "begins with no number", kRampExample);
  if (!absl::SimpleAtod(parts[1], &factor)) {
    return Wrong("--ramp", text, absl::StrCat("has no number for a factor: \"", parts[1], "\""), kRampExample);
  }
  ramp.set_base_rate_per_minute(base);
  ramp.set_increment_factor(factor);
  const auto step = SplitPair(parts[2]);
  int64_t count = 0;
  if (!step || !ReadCount(step->second, count)) {
    return Wrong("--ramp", text, "ends with no step, notified=N or succeeded=N", kRampExample);
  }
  if (step->first == "notified") {
    ramp.set_number_of_notified_devices(count);
  } else if (step->first == "succeeded") {
    ramp.set_number_of_succeeded_devices(count);
  } else {
    return Wrong("--ramp", text, absl::StrCat("counts \"", step->first, "\"; it must be notified or succeeded"),
                 kRampExample);
  }
  return ramp;
}

absl::StatusOr<jobs_pb::AbortCriterion> ParseAbort(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  const auto share = SplitPair(parts[0]);
  if (!share || parts.size() > 2) return Wrong("--abort", text, "is not TYPE=PERCENT%[,min=N]", kAbortExample);
  jobs_pb::AbortCriterion criterion;
  FLEETCAST_ASSIGN_OR_RETURN(const jobs_pb::FailureType type, ParseType("--abort", text, share->first, kAbortTypes));
  criterion.set_failure_type(type);
  double percentage = 0;
  if (!absl::SimpleAtod(absl::StripSuffix(share->second, "%"), &percentage)) {
    return Wrong("--abort", text, absl::StrCat("has no number for a share: \"", share->second, "\""), kAbortExample);
  }
  criterion.set_threshold_percentage(percentage);
  if (parts.size() == 1) return criterion;
  const auto least = SplitPair(parts[1]);
  int64_t count = 0;
  if (!least || least->first != "min" || !ReadCount(least->second, count)) {
    return Wrong("--abort", text, "ends with something that is not min=N", kAbortExample);
  }
  criterion.set_min_number_of_executed_devices(count);
  return criterion;
}

absl::StatusOr<jobs_pb::RetryCriterion> ParseRetry(const std::string& text) {
  const auto parts = SplitPair(text);
  if (!parts) return Wrong("--retry", text, "is not TYPE=N", kRetryExample);
  jobs_pb::RetryCriterion criterion;
  FLEETCAST_ASSIGN_OR_RETURN(const jobs_pb::FailureType type, ParseType("--retry", text, parts->first, kRetryTypes));
  criterion.set_failure_type(type);
  int32_t retries = 0;
  if (!absl::SimpleAtoi(parts->second, &retries)) {
    return Wrong("--retry", text, absl::StrCat("has no number of retries: \"", parts->second, "\""), kRetryExample);
  }
  criterion.set_number_of_retries(retries);
  return criterion;
}

}  // namespace fleetcast::cli
