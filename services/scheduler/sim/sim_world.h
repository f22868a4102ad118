// One simulated hub around one or more schedulers: memory store, fleet, clock, faults; one thread, one seed.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/job_store/memory_job_store.h"
#include "libs/telemetry/metrics.h"
#include "services/scheduler/engine.h"
#include "services/scheduler/sim/faulty_store.h"
#include "services/scheduler/sim/sim_fleet.h"
#include "services/scheduler/sim/sim_queue.h"
#include "services/scheduler/starter.h"

namespace fleetcast::scheduler::sim {

// How long a call may be under way to its device: EngineOptions::permit, which no world changes.
inline constexpr absl::Duration kPermit = absl::Seconds(1);

struct SimOptions {
  uint64_t seed = 1;
  int dispatchers = 2;
  int writers = 1;
  EngineOptions engine;  // owner, dispatchers and writers are set by the world.
};

class SimWorld : private TargetSource {
 public:
  explicit SimWorld(const SimOptions& options);
  ~SimWorld() override;

  SimFleet& fleet() { return fleet_; }
  FaultyStore& faulty_store() { return faulty_; }
  job_store::JobStore& store() { return store_; }
  testing::SimClock& clock() { return clock_; }
  SeededRandom& random() { return random_; }

  // Devices "device-00000" and so on, online and quick.
  void AddDevices(int count);
  std::string DeviceId(int index) const;

  // Jobs that are started from now on have only so many targets.
  size_t targets_max = SIZE_MAX;
  // Jobs on all devices. `spec` may be changed by `edit` before it is stored.
  void CreateMethodJob(const std::string& id, const std::function<void(job_store::JobSpec&)>& edit = {});
  void CreateTwinJob(const std::string& id, const std::function<void(job_store::JobSpec&)>& edit = {});
  job_store::Job GetJob(const std::string& id);
  std::vector<job_store::Execution> Executions(const std::string& id);

  // Scheduler number `which` starts, with a new owner id; it is killed: store calls under way are executed or not, by
  // chance, and nobody hears of it.
  void Start(int which = 0);
  void Kill(int which = 0);
  bool running(int which = 0) { return At(which).engine != nullptr; }
  Engine* engine(int which = 0) { return At(which).engine.get(); }

  // Lets things happen for `duration`, or until `done` says true (then true).
  bool Run(
      absl::Duration duration, const std::function<bool()>& done = [] { return false; });
  // Until the job is terminal.
  bool RunUntilEnded(const std::string& id, absl::Duration limit = absl::Minutes(10));

 private:
  // One scheduler over its lives.
  struct Scheduler;
  Scheduler& At(int which);
  void CallStore(Scheduler& scheduler, std::function<std::function<void()>()> call);
  absl::Status StreamTargets(std::string_view condition, std::string_view after_device_id, std::stop_token stop,
                             const std::function<absl::Status(std::vector<std::string> page)>& on_page) override;
  void CreateJob(job_store::JobSpec spec, const std::function<void(job_store::JobSpec&)>& edit);
  // Runs `event` on the engine of life `life`, if it still lives, and lets it work.
  void OnEngine(Scheduler& scheduler, uint64_t life, const std::function<void(Engine&)>& event);
  void Tick(Scheduler& scheduler, uint64_t life);
  void Poll(Scheduler& scheduler, uint64_t life);

  struct Scheduler final : StoreExecutor {
    Scheduler(SimWorld& world, int which) : world(world), which(which) {}
    void Run(std::function<std::function<void()>()> call) override { world.CallStore(*this, std::move(call)); }

    SimWorld& world;
    const int which;
    uint64_t life = 0;  // Counts starts and kills.
    std::unique_ptr<Starter> starter;
    std::unique_ptr<Engine> engine;
    // Engines that were killed: calls that they gave to the executor may still run.
    std::vector<std::unique_ptr<Engine>> dead;
  };

  const SimOptions options_;
  testing::SimClock clock_;
  SeededRandom random_;
  SimQueue queue_{clock_};
  job_store::MemoryJobStore store_{clock_};
  FaultyStore faulty_{store_, random_};
  SimFleet fleet_;
  telemetry::Metrics metrics_registry_;
  SchedulerMetrics metrics_{metrics_registry_};
  std::deque<Scheduler> schedulers_;
};

}  // namespace fleetcast::scheduler::sim
