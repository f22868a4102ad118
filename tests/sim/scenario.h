// One seed: what the world is like, what is asked of it, and what goes wrong.
#pragma once

#include <memory>
#include <string>

#include "tests/sim/stream.h"
#include "tests/sim/world.h"

namespace fleetcast::sim {

// What a run was.
struct RunResult {
  std::vector<Violation> violations;
  uint64_t hash = 0;  // Of everything that happened, in order.
  size_t events = 0;
  absl::Duration time;  // Simulated.
  std::string report;   // For the first violation: what it was, and what happened before. Empty when there is none.
};

class Scenario {
 public:
  // The kinds of runs; `seed` chooses one (KindOf).
  enum class Kind {
    kFaults,   // Everything goes wrong.
    kCalm,     // Nothing does: every answer counts, nothing is late.
    kCrowded,  // Nothing goes wrong, but a big job fills the room: a small one must not wait.
  };
  static Kind KindOf(uint64_t seed);

  Scenario(Kind kind, uint64_t seed, const Mutations& mutations, SimMetrics& metrics);
  ~Scenario();

  // How many events a report shows.
  size_t events_shown = 50;

  RunResult Run();

 private:
  static WorldOptions OptionsOf(Kind kind, uint64_t seed, const Mutations& mutations);

  void Prepare();
  void SetHabits(int device);
  void CreateJobs();
  void CreateJob();
  void SetPace(job_store::JobSpec& spec);
  void RunCrowded();
  // One look of the nemesis: perhaps something breaks.
  void Disturb();
  void DisturbProcess();
  void DisturbNetwork();
  void DisturbRedis();
  void DisturbDevices();
  void DisturbClocks();
  void Operate();
  void SetStoreFaults(int fail, int doubt, int slow);
  Dialer* AnyDialer();
  SimDevice& AnyDevice();
  void Heal();
  void AwaitTheEnd();
  void Judge();
  std::string Report();

  const Kind kind_;
  SeededRandom random_;
  World world_;
};

}  // namespace fleetcast::sim
