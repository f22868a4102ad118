#include "services/scheduler/outcome_rules.h"

#include <utility>

#include "libs/json/json.h"
#include "libs/model/reasons.h"

namespace fleetcast::scheduler {
namespace {

// Six digits as in service-rest 4.3.
constexpr int32_t kDeviceNotFound = 404001;
constexpr int32_t kDeviceNotOnline = 404103;
constexpr int32_t kConnectionClosed = 404104;
constexpr int32_t kDeviceDisabled = 403012;
constexpr int32_t kTooManyInFlight = 403800;
constexpr int32_t kRequestTooLarge = 413001;
constexpr int32_t kBadGateway = 502000;
constexpr int32_t kServerBusy = 503005;
constexpr int32_t kGatewayTimeout = 504101;
// A device may nest deeper than a twin; only well-formedness counts.
constexpr json::Limits kAnswerLimits = {.bytes_max = size_t{256} * 1024, .depth_max = 128};

job_store::Outcome Ended(const OutcomeTarget& target, ExecutionState state, absl::Time now) {
  job_store::Outcome outcome;
  outcome.lease = target.lease;
  outcome.position = target.position;
  outcome.state = state;
  outcome.start_time = target.issued;
  outcome.end_time = now;
  return outcome;
}

job_store::Outcome EndedWith(const OutcomeTarget& target, ExecutionState state, int32_t code, std::string_view reason,
                             absl::Time now) {
  job_store::Outcome outcome = Ended(target, state, now);
  outcome.error_code = code;
  outcome.error_reason = std::string(reason);
  return outcome;
}

}  // namespace

job_store::Outcome OutcomeOfAnswer(const OutcomeTarget& target, CallEvent& event, absl::Time now) {
  if (event.payload.empty()) event.payload = "null";
  if (!json::ValidateDocument(event.payload, kAnswerLimits).ok()) {
    return EndedWith(target, ExecutionState::kFailed, kBadGateway, reasons::kBadDeviceResponse, now);
  }
  job_store::Outcome outcome = Ended(target, ExecutionState::kSucceeded, now);
  outcome.device_status = event.device_status;
  outcome.payload = std::move(event.payload);
  return outcome;
}

job_store::Outcome OutcomeOfUnknown(const OutcomeTarget& target, UnknownReason reason, absl::Time now) {
  switch (reason) {
    case UnknownReason::kConnectionLost:
      return EndedWith(target, ExecutionState::kFailed, kConnectionClosed, reasons::kConnectionClosed, now);
    case UnknownReason::kEdgeLost:
      return EndedWith(target, ExecutionState::kFailed, kConnectionClosed, reasons::kOutcomeUnknown, now);
    case UnknownReason::kResponseTimeout:
      return EndedWith(target, ExecutionState::kTimedOut, kGatewayTimeout, reasons::kResponseTimeout, now);
    case UnknownReason::kDispatcherLost: break;
  }
  return EndedWith(target, ExecutionState::kTimedOut, kGatewayTimeout, reasons::kOutcomeUnknown, now);
}

job_store::Outcome OutcomeOfNotSent(const OutcomeTarget& target, NotSentReason reason, absl::Time now) {
  const auto failed = [&](int32_t code, std::string_view why) {
    job_store::Outcome outcome = EndedWith(target, ExecutionState::kFailed, code, why, now);
    outcome.is_not_sent = true;
    return outcome;
  };
  switch (reason) {
    case NotSentReason::kOffline: return failed(kDeviceNotOnline, reasons::kDeviceNotOnline);
    case NotSentReason::kBusy: return failed(kTooManyInFlight, reasons::kTooManyInFlight);
    case NotSentReason::kDeviceNotFound: return failed(kDeviceNotFound, reasons::kDeviceNotFound);
    case NotSentReason::kDeviceDisabled: return failed(kDeviceDisabled, reasons::kDeviceDisabled);
    case NotSentReason::kTooLarge: return failed(kRequestTooLarge, reasons::kPayloadTooLarge);
    case NotSentReason::kPermitExpired:
    case NotSentReason::kOverloaded: break;
  }
  return failed(kServerBusy, reasons::kServerBusy);
}

std::optional<FailureType> FailureOf(const job_store::Outcome& outcome) {
  switch (outcome.state) {
    case ExecutionState::kFailed:
      return outcome.error_code == kDeviceNotOnline ? FailureType::kNotOnline : FailureType::kFailed;
    case ExecutionState::kTimedOut: return FailureType::kTimedOut;
    case ExecutionState::kSucceeded:
      if (outcome.device_status.value_or(0) >= job_store::kDeviceErrorStatus) return FailureType::kDeviceError;
      break;
    case ExecutionState::kPending:
    case ExecutionState::kRunning:
    case ExecutionState::kCanceled: break;
  }
  return std::nullopt;
}

job_store::Outcome OutcomeOfTwinWrite(const OutcomeTarget& target, int32_t error_code, const std::string& error_reason,
                                      absl::Time now) {
  if (error_code == 0) return Ended(target, ExecutionState::kSucceeded, now);
  return EndedWith(target, ExecutionState::kFailed, error_code, error_reason, now);
}

}  // namespace fleetcast::scheduler
