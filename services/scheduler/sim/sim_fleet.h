// Simulated devices, dispatchers and twin service: what lies behind the scheduler's streams, with their faults.
#pragma once

#include <cstdint>
#include <deque>
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
  int failures = 0;                         // So many calls are answered with a device error first.
  std::map<int64_t, int> calls;             // Method requests written to it, by job.
  std::map<int64_t, absl::Time> last_call;  // When the latest was written.
  std::map<int64_t, int> writes;            // Twin writes applied, by job.
};

struct SimFaults {
  int lose_message_per_mille = 0;   // A message that was on a stream when it broke still arrives otherwise.
  int slice_unknown_per_mille = 0;  // A slice whose commit is in doubt.
};

// Behaves as proto/fleetcast/internal/v1/method_dispatch.proto and twin_write.proto say. Lives longer than engines: it
// keeps what they did not acknowledge. Serves several engines, each with streams of its own. Not thread-safe.
class SimFleet {
 public:
  SimFleet(SimQueue& queue, testing::SimClock& clock, SeededRandom& random, int dispatchers, int writers);

  SimDevice& device(const std::string& id) { return devices_[id]; }
  std::map<std::string, SimDevice>& devices() { return devices_; }
  SimFaults& faults() { return faults_; }
  // Devices come online and tell whoever watches.
  void SetOnline(const std::string& id, bool online);

  // What engine number `engine` may ask of the world. Lives as long as the fleet.
  Effects& effects(int engine) { return *Port(engine).effects; }
  // Connects an engine: from now on messages of its streams go there. nullptr: it is gone, all its streams are broken.
  // `deliver` runs an event on the engine.
  void Connect(int engine, std::function<void(std::function<void(Engine&)>)> deliver);
  // The streams of all engines break and are opened again after `pause`.
  void BreakDispatcher(int index, absl::Duration pause);
  void BreakWriter(int index, absl::Duration pause);
  // The process is killed and starts anew after `pause`: all it knew is gone; what it passed on already is not.
  void CrashDispatcher(int index, absl::Duration pause);

  // What devices saw, in order: a request of a job (+1), the end of one (-1).
  struct LogEntry {
    absl::Time when;
    int64_t job_seq = 0;
    int change = 0;
  };
  const std::vector<LogEntry>& log() const { return log_; }
  // Calls that engines sent, and devices that they asked to be watched.
  size_t sent() const { return sent_; }
  size_t watches() const { return watches_; }

  // How many ends are kept that nobody acknowledged.
  size_t kept_results() const;

 private:
  // Job, target, attempt.
  struct Key {
    int64_t job_seq = 0;
    int64_t target = 0;
    int attempt = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  // A call as its dispatcher knows it.
  struct Call {
    int engine = 0;  // Who is told.
    bool sent = false;
    std::optional<CallEvent> end;
  };
  struct Dispatcher {
    bool alive = true;
    uint64_t life = 0;  // Counts processes.
    absl::Time boot;
    std::map<Key, Call> calls;
  };
  // A stream of one engine.
  struct Stream {
    bool up = false;
    uint64_t number = 0;  // Counts streams.
    std::set<std::string> watched;
  };
  // What one engine has.
  struct EnginePort {
    std::unique_ptr<Effects> effects;
    std::function<void(std::function<void(Engine&)>)> deliver;
    std::vector<Stream> dispatchers;
    std::vector<Stream> writers;
  };
  class PortEffects;
  struct SimCall {
    Key key;
    std::string device_id;
    absl::Time permit_end;
    absl::Duration response_timeout;
  };

  EnginePort& Port(int engine);
  Dispatcher& DispatcherAt(int index) { return dispatchers_[static_cast<size_t>(index)]; }
  Stream& StreamAt(int engine, int dispatcher) { return Port(engine).dispatchers[static_cast<size_t>(dispatcher)]; }
  Stream& WriterAt(int engine, int writer) { return Port(engine).writers[static_cast<size_t>(writer)]; }
  void OpenDispatcher(int engine, int index);
  void OpenWriter(int engine, int index);
  // Runs `event` on the engine after a delay, if the stream still stands then. Messages of a stream stay in order.
  void ToEngine(int engine, Stream& stream, std::function<void(Engine&)> event);
  // Runs `event` at the dispatcher after a delay; on a broken stream perhaps.
  void ToDispatcher(int engine, int index, std::function<void(Dispatcher&)> event);
  bool SendCalls(int engine, int index, const CallBatch& batch);
  bool Ask(int engine, int index, std::span<const TargetName> targets);
  void Acknowledge(int engine, int index, std::span<const TargetName> targets);
  bool Watch(int engine, int index, std::span<const std::string> watch, std::span<const std::string> unwatch);
  bool SendSlices(int engine, int index, const SliceBatch& batch);
  void Start(int engine, int index, Dispatcher& dispatcher, const SimCall& call);
  void Write(int index, uint64_t life, const SimCall& call);
  void Tell(int index, uint64_t life, const Key& key, CallEvent event);
  absl::Duration Delay() { return random_.Between(absl::Microseconds(100), absl::Milliseconds(3)); }

  SimQueue& queue_;
  testing::SimClock& clock_;
  SeededRandom& random_;
  SimFaults faults_;
  std::map<std::string, SimDevice> devices_;
  std::vector<Dispatcher> dispatchers_;
  const int writers_;
  std::deque<EnginePort> ports_;                               // Stay where they are: events refer to their streams.
  std::set<std::pair<int64_t, std::pair<int, int>>> applied_;  // Operation keys of slices.
  std::vector<LogEntry> log_;
  size_t sent_ = 0;
  size_t watches_ = 0;
  absl::Duration next_arrival_ = absl::ZeroDuration();  // Keeps messages in order.
};

}  // namespace fleetcast::scheduler::sim
