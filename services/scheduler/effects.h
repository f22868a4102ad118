// What the engine may ask of the world. The real one is grpc_effects.h; tests bring their own.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/job_store/job.h"
#include "services/scheduler/call_event.h"
#include "services/scheduler/twin_chunk.h"

namespace fleetcast::scheduler {

// Names an attempt at a target of a job across chunks: the target by its number in the frozen set.
struct TargetName {
  int64_t job_seq = 0;
  int64_t target = 0;
  int attempt = 0;

  friend bool operator==(const TargetName&, const TargetName&) = default;
};

// A sub-batch of method calls. Refers to its arguments: valid during the call only.
struct CallBatch {
  const job_store::Job* job = nullptr;
  absl::Time permit_end;  // Nobody writes a request to a device after it.
  std::string traceparent;
  struct Call {
    int64_t target = 0;
    std::string_view device_id;
    int attempt = 0;
  };
  std::vector<Call> calls;
};

// Slices of a twin job. Refers to its arguments: valid during the call only.
struct SliceBatch {
  const job_store::Job* job = nullptr;
  absl::Time permit_end;  // No slice is committed after it.
  std::string traceparent;
  struct Slice {
    job_store::ChunkKey chunk;
    int slice = 0;
    std::span<const std::string> device_ids;
  };
  std::vector<Slice> slices;
};

// A dispatcher's word about one target.
struct TargetKnowledge {
  TargetName name;
  Knowledge knowledge = Knowledge::kNotSeen;
};

// Sends on the streams to the next hops. Called by the engine's thread only; never waits. What comes back is handed to
// the engine's On… functions. False = nothing was sent and nothing will be: the stream is down or its outbox full.
class Effects {
 public:
  virtual ~Effects() = default;

  virtual bool SendCalls(int dispatcher, const CallBatch& batch) = 0;
  // What became of these? Each is answered by OnKnowledge.
  virtual bool Ask(int dispatcher, std::span<const TargetName> targets) = 0;
  // Their outcomes are recorded: the dispatcher may forget them. Best effort.
  virtual void Acknowledge(int dispatcher, std::span<const TargetName> targets) = 0;
  // Tell (OnDevicesReady) when one of `watch` is connected; no longer for `unwatch`, which come first.
  virtual bool Watch(int dispatcher, std::span<const std::string> watch, std::span<const std::string> unwatch) = 0;

  virtual bool SendSlices(int writer, const SliceBatch& batch) = 0;
};

// Runs blocking store calls away from the engine's thread.
class StoreExecutor {
 public:
  virtual ~StoreExecutor() = default;
  // Runs `call` on some thread and then what it returns on the engine's thread. Calls may overtake each other.
  virtual void Run(std::function<std::function<void()>()> call) = 0;
};

// Where the target set of a job comes from.
class TargetSource {
 public:
  virtual ~TargetSource() = default;
  // Hands over the ids of matching devices after `after_device_id`, ascending, in pages; blocks until the end, until
  // `on_page` returns an error (which is returned), until `stop`, or until the stream breaks. kInvalidArgument
  // INVALID_CONDITION: the condition does not parse; the message says where.
  virtual absl::Status StreamTargets(std::string_view condition, std::string_view after_device_id, std::stop_token stop,
                                     const std::function<absl::Status(std::vector<std::string> page)>& on_page) = 0;
};

}  // namespace fleetcast::scheduler
