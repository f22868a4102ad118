// One unfinished call, and the words that go with it. Used by pending_calls.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "absl/time/time.h"
#include "fleetcast/internal/v1/call_event.pb.h"
#include "fleetcast/internal/v1/delivery.pb.h"
#include "services/method_dispatch/call_ids.h"
#include "services/method_dispatch/execution_key.h"

namespace fleetcast::method_dispatch {

namespace pb = ::fleetcast::internal::v1;

// One instant on both clocks: timers run on the monotonic one, permits and deadlines on the wire are wall time.
struct Now {
  absl::Duration monotonic;
  absl::Time wall;
};

using DirectToken = uint64_t;      // Names a waiting InvokeMethod RPC.
using SchedulerStream = uint64_t;  // Names a scheduler's stream; 0 = none.
using DeliveryIndex = size_t;      // Names the stream to a device_connection.

// A request as it goes to devices; shared by the calls of a batch.
using SharedRequest = std::shared_ptr<const pb::MethodRequest>;

// What became of a job's call; the last three end it.
using CallOutcome = std::variant<pb::Sent, pb::NotSent, pb::Answer, pb::Unknown>;

// An answer whose device waits until it is taken (call_event.proto), and the way back to it.
struct WaitingAnswer {
  DeliveryIndex delivery = 0;  // What brought it.
  CallId call = 0;
  uint64_t session = 0;  // The edge's number of the connection.

  friend bool operator==(const WaitingAnswer&, const WaitingAnswer&) = default;
};

// A call that an InvokeMethod RPC waits for.
struct DirectOwner {
  DirectToken token = 0;
  SharedRequest request;
  absl::Duration connect_deadline;  // Monotonic, as the next one.
  absl::Duration answer_deadline;
  int redeliveries = 0;
  bool abandoned = false;
};

// A call of a job.
struct JobOwner {
  ExecutionKey key;
  SchedulerStream stream = 0;
  absl::Duration response_timeout;
  absl::Time issued;
};

// Where a call stands: waiting for its device to connect, for SENT or NOT_SENT, for the answer.
enum class CallPhase { kWaiting, kDelivering, kSent };

struct PendingCall {
  std::string device_id;
  CallPhase phase = CallPhase::kDelivering;
  absl::Duration deadline = absl::InfiniteDuration();  // Monotonic: when it is looked at next.
  int64_t session_epoch = 0;                           // Set in kSent.
  std::variant<DirectOwner, JobOwner> owner;
};

}  // namespace fleetcast::method_dispatch
