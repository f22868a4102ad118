// What a dispatcher says about one call, without the wire's types.
#pragma once

#include <cstdint>
#include <string>

namespace fleetcast::scheduler {

// Proof that the request was not written to the device.
enum class NotSentReason {
  kOffline,         // No session, or one that does not listen to methods.
  kPermitExpired,   // It came too late to be written.
  kBusy,            // Too many calls in flight to this device.
  kOverloaded,      // A queue on the way was full, or a route was stale: soon again.
  kDeviceNotFound,  // The registry does not know the device.
  kDeviceDisabled,
  kTooLarge,  // Larger than the packets that the device takes.
};

// Nobody can tell whether the device ran it.
enum class UnknownReason {
  kConnectionLost,   // The session ended after the request was written.
  kEdgeLost,         // The edge went away with the call in its hands.
  kResponseTimeout,  // No answer until the deadline.
  kDispatcherLost,   // The dispatcher that held the call is gone, or forgot it.
};

inline constexpr int kNoPeer = -1;

// Which dispatcher remembers a call (kNoPeer: none), and which attempt at its target it was.
struct CallSource {
  int peer = kNoPeer;
  int attempt = 0;

  friend bool operator==(const CallSource&, const CallSource&) = default;
};

// One event of one call. The target is named by its number within the job (chunk_no * kChunkTargets + position).
struct CallEvent {
  enum class Kind { kSent, kNotSent, kAnswer, kUnknown };

  int64_t job_seq = 0;
  int64_t target = 0;
  int attempt = 0;  // Retries begun before: 0 = the first call of the target.
  Kind kind = Kind::kSent;
  NotSentReason not_sent = NotSentReason::kOffline;
  UnknownReason unknown = UnknownReason::kResponseTimeout;
  int32_t device_status = 0;
  std::string payload;  // Of an answer: bytes as the device sent them.
};

// A dispatcher's answer to "what became of this call?".
enum class Knowledge {
  kPending,   // It holds the call; events will follow.
  kFinished,  // The call ended; its event is repeated.
  kNotSeen,   // It has never seen the call since it started.
};

}  // namespace fleetcast::scheduler
