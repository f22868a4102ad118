// Jobs with limits and retries under random faults: kills, broken streams, a store that fails, pauses and changes.
// A failure prints its seed.
#include <gtest/gtest.h>

#include "services/scheduler/engine.h"
#include "services/scheduler/sim/sim_world.h"

namespace fleetcast::scheduler {
namespace {

using job_store::Job;
using job_store::JobSpec;
using sim::SimFleet;
using sim::SimOptions;
using sim::SimWorld;

constexpr int kCap = 120;
constexpr int kRetries = 2;
constexpr absl::Duration kFaultyTime = absl::Seconds(40);

class Faults {
 public:
  explicit Faults(uint64_t seed) : world_(Options(seed)), random_(seed * 104'729) {}

  void Run() {
    Prepare();
    const absl::Duration end = world_.clock().Monotonic() + kFaultyTime;
    while (world_.clock().Monotonic() < end) {
      world_.Run(random_.Between(absl::Milliseconds(1), absl::Milliseconds(400)));
      Disturb();
    }
    Heal();
    for (const char* id : {"capped", "waiting", "paced twins"}) {
      ASSERT_TRUE(world_.RunUntilEnded(id, absl::Minutes(60))) << id;
      CheckCounts(world_.GetJob(id));
    }
    CheckCapped(world_.GetJob("capped"));
    CheckOnce();
  }

 private:
  static SimOptions Options(uint64_t seed) {
    SimOptions options;
    options.seed = seed;
    options.dispatchers = 1 + static_cast<int>(seed % 2);
    options.engine.chunks_active_max = seed % 3 == 0 ? 2 : 64;
    return options;
  }

  void Prepare() {
    world_.AddDevices(900 + static_cast<int>(random_.Below(1'500)));
    for (auto& [id, device] : world_.fleet().devices()) {
      device.online = !random_.Chance(200);
      device.failures = static_cast<int>(random_.Below(4));
      device.answer_after = random_.Between(absl::Milliseconds(1), absl::Seconds(2));
      ids_.push_back(id);
    }
    world_.fleet().faults().lose_message_per_mille = 500;
    world_.fleet().faults().slice_unknown_per_mille = 50;
    world_.faulty_store().fail_per_mille = 20;
    world_.faulty_store().doubt_per_mille = 20;
    world_.CreateMethodJob("capped", [](JobSpec& spec) {
      spec.rollout.in_flight_max = kCap;
      spec.retry.idempotent = true;
      spec.retry.criteria = {{FailureType::kAll, kRetries}};
      spec.retry.backoff_min = absl::Milliseconds(100);
      spec.retry.backoff_max = absl::Seconds(5);
    });
    world_.CreateMethodJob("waiting", [](JobSpec& spec) {
      std::get<job_store::MethodAction>(spec.action).wait_for_connection = true;
      spec.execution_timeout = absl::Minutes(20);
    });
    world_.CreateTwinJob("paced twins", [](JobSpec& spec) { spec.rollout.maximum_per_minute = 3'000; });
    for (const int which : {0, 1}) world_.Start(which);
  }

  // No dispatcher dies here: then nobody knows what its devices still do, and no cap can count them.
  void Disturb() {
    for (const int which : {0, 1}) {
      if (random_.Chance(30)) world_.Kill(which);
      if (!world_.running(which) && random_.Chance(200)) world_.Start(which);
    }
    if (random_.Chance(60)) world_.fleet().BreakDispatcher(0, random_.Between(absl::Milliseconds(1), absl::Seconds(4)));
    if (random_.Chance(60)) world_.fleet().BreakWriter(0, random_.Between(absl::Milliseconds(1), absl::Seconds(4)));
    for (int i = 0; i < 5; ++i) world_.fleet().SetOnline(ids_[random_.Below(ids_.size())], random_.Chance(700));
    const absl::Time now = world_.clock().Now();
    if (random_.Chance(20)) (void)world_.store().PauseJob(now, "capped");
    if (random_.Chance(100)) (void)world_.store().ResumeJob(now, "capped");
    if (random_.Chance(20)) {
      job_store::JobChange change;
      change.priority = 1 + static_cast<int>(random_.Below(9));
      (void)world_.store().UpdateJob(now, "capped", change);
    }
  }

  void Heal() {
    world_.faulty_store().fail_per_mille = 0;
    world_.faulty_store().doubt_per_mille = 0;
    world_.fleet().faults() = {};
    (void)world_.store().ResumeJob(world_.clock().Now(), "capped");
    for (const int which : {0, 1}) {
      if (!world_.running(which)) world_.Start(which);
    }
  }

  static void CheckCounts(const Job& job) {
    const job_store::JobCounts& counts = job.counts;
    EXPECT_EQ(counts.pending + counts.running, 0) << job.spec.id;
    EXPECT_EQ(counts.succeeded + counts.failed + counts.timed_out + counts.canceled, counts.total) << job.spec.id;
  }

  void CheckCapped(const Job& job) {
    int now = 0;
    int most = 0;
    for (const SimFleet::LogEntry& entry : world_.fleet().log()) {
      if (entry.job_seq == job.seq) most = std::max(most, now += entry.change);
    }
    EXPECT_LE(most, kCap);  // J12
    EXPECT_GT(most, kCap / 2);
    for (const job_store::Execution& execution : world_.Executions("capped")) {
      const int calls = world_.fleet().device(execution.device_id).calls[job.seq];
      EXPECT_LE(calls, 1 + kRetries) << execution.device_id;  // M1
      EXPECT_TRUE(execution.state != ExecutionState::kSucceeded || calls > 0) << execution.device_id;
      EXPECT_TRUE(execution.error_code != 404103 || calls == 0) << execution.device_id;  // M9
    }
  }

  void CheckOnce() {
    const int64_t waiting = world_.GetJob("waiting").seq;
    const int64_t twins = world_.GetJob("paced twins").seq;
    for (auto& [id, device] : world_.fleet().devices()) {
      EXPECT_LE(device.calls[waiting], 1) << id;
      EXPECT_EQ(device.writes[twins], 1) << id;
    }
  }

  SimWorld world_;
  sim::SeededRandom random_;
  std::vector<std::string> ids_;
};

class EngineSeeds : public ::testing::TestWithParam<uint64_t> {};

TEST_P(EngineSeeds, LimitsAndRetriesHoldUnderFaults) { Faults(GetParam()).Run(); }

INSTANTIATE_TEST_SUITE_P(Seeds, EngineSeeds, ::testing::Range<uint64_t>(1, 13));

}  // namespace
}  // namespace fleetcast::scheduler
