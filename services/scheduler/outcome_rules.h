// How the end of a call becomes a stored outcome: state, code and reason (service-rest 5.7 and 6, device-mqtt 5.1).
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "libs/job_store/job.h"
#include "services/scheduler/call_event.h"

namespace fleetcast::scheduler {

// Which target of which lease, and when its request was issued (unset = never).
struct OutcomeTarget {
  job_store::ChunkLease lease;
  int position = 0;
  std::optional<absl::Time> issued;
};

// The device answered: succeeded with whatever status it chose, failed BAD_DEVICE_RESPONSE when the payload is not
// JSON. An empty payload is recorded as null. Takes the payload out of `event`.
job_store::Outcome OutcomeOfAnswer(const OutcomeTarget& target, CallEvent& event, absl::Time now);

// Nobody can tell whether the device ran the call (rule M9: said as it is, never as "not delivered").
job_store::Outcome OutcomeOfUnknown(const OutcomeTarget& target, UnknownReason reason, absl::Time now);

// Proof that the device was not reached, and no more tries are left.
job_store::Outcome OutcomeOfNotSent(const OutcomeTarget& target, NotSentReason reason, absl::Time now);

// What went wrong with an attempt that ended so, in the words of retry policies; nullopt when nothing did.
std::optional<FailureType> FailureOf(const job_store::Outcome& outcome);

// The twin was written (`error_code` 0), or could not be for the reason that the twin service gave.
job_store::Outcome OutcomeOfTwinWrite(const OutcomeTarget& target, int32_t error_code, const std::string& error_reason,
                                      absl::Time now);

}  // namespace fleetcast::scheduler
