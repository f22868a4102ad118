// Simulated devices, dispatchers and twin service: what lies behind the scheduler's streams, with their faults.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "services/scheduler/effects.h"
#include "services/scheduler/engine.h"
#include "services/scheduler/sim/sim_queue.h"

namespace fleetcast::scheduler::sim {

// How a device behaves, and what was done to it.
struct SimDevice {
  bool online = true;
  bool silent = false;  // Never answers.
  absl::Duration answer_after = absl::Milliseconds(5);
  std::map<int64_t, int> calls;             // Method requests written to it, by job.
  std::map<int64_t, absl::Time> last_call;  // When the latest was written.
  std::map<int64_t, int> writes;            // Twin writes applied, by job.
};

struct SimFaults {
  int lose_message_per_mille = 0;   // A message that was on a stream when it broke still arrives otherwise.
  int slice_unknown_per_mille = 0;  // A slice whose commit is in doubt.
};

// Behaves as proto/fleetcast/internal/v1/method_dispatch.proto and twin_write.proto say. Lives longer than engines: it
// keeps what they did not acknowledge. Not thread-safe.
class SimFleet final : public Effects {
 public:
  SimFleet(SimQueue& queue, testing::SimClock& clock, SeededRandom& random, int dispatchers, int writers);

  SimDevice& device(const std::string& id) { return devices_[id]; }
  std::map<std::string, SimDevice>& devices() { return devices_; }
  SimFaults& faults() { return faults_; }
  // Devices come online and tell whoever watches.
  void SetOnline(const std::string& id, bool online);

  // Connects an engine: from now on messages of the streams go there. nullptr: it is gone, all streams are broken.
  // `deliver` runs an event on the engine.
  void Connect(std::function<void(std::function<void(Engine&)>)> deliver);
  // The stream breaks and is opened again after `pause`.
  void BreakDispatcher(int index, absl::Duration pause);
  void BreakWriter(int index, absl::Duration pause);
  // The process is killed and starts anew after `pause`: all it knew is gone; what it passed on already is not.
  void CrashDispatcher(int index, absl::Duration pause);

  bool SendCalls(int dispatcher, const CallBatch& batch) override;
  bool Ask(int dispatcher, std::span<const TargetName> targets) override;
  void Acknowledge(int dispatcher, std::span<const TargetName> targets) override;
  void Watch(int dispatcher, std::span<const std::string> watch, std::span<const std::string> unwatch) override;
  bool SendSlices(int writer, const SliceBatch& batch) override;

  // How many ends are kept that nobody acknowledged.
  size_t kept_results() const;

 private:
  using Key = std::pair<int64_t, int64_t>;

  // A call as its dispatcher knows it.
  struct Call {
    bool sent = false;
    std::optional<CallEvent> end;
  };
  struct Dispatcher {
    bool alive = true;
    bool up = false;      // The stream stands.
    uint64_t stream = 0;  // Counts streams,
    uint64_t life = 0;    // … and processes.
    absl::Time boot;
    std::map<Key, Call> calls;
    std::set<std::string> watched;
  };
  struct Writer {
    bool up = false;
    uint64_t stream = 0;
  };
  struct SimCall {
    Key key;
    std::string device_id;
    absl::Time permit_end;
    absl::Duration response_timeout;
  };

  void OpenDispatcher(int index);
  void OpenWriter(int index);
  // Runs `event` on the engine after a delay, if the stream still stands then. Messages of a stream stay in order.
  void ToEngine(int dispatcher, std::function<void(Engine&)> event);
  void ToEngine(Writer& writer, std::function<void(Engine&)> event);
  // Runs `event` at the dispatcher after a delay; on a broken stream perhaps.
  void ToDispatcher(int index, std::function<void(Dispatcher&)> event);
  void Start(int index, Dispatcher& dispatcher, const SimCall& call);
  void Write(int index, uint64_t life, const SimCall& call);
  void Tell(int index, uint64_t life, const Key& key, CallEvent event);
  absl::Duration Delay() { return random_.Between(absl::Microseconds(100), absl::Milliseconds(3)); }

  SimQueue& queue_;
  testing::SimClock& clock_;
  SeededRandom& random_;
  SimFaults faults_;
  std::map<std::string, SimDevice> devices_;
  std::vector<Dispatcher> dispatchers_;
  std::vector<Writer> writers_;
  std::set<std::pair<int64_t, std::pair<int, int>>> applied_;  // Operation keys of slices.
  std::function<void(std::function<void(Engine&)>)> deliver_;
  absl::Duration next_arrival_ = absl::ZeroDuration();  // Keeps messages in order.
};

}  // namespace fleetcast::scheduler::sim
