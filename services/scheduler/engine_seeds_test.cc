// The engine alone under random faults: jobs with and without limits and retries; kills, broken streams, a store that
// fails, cancels, pauses and changes. The name of a failed test ends with its seed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/scheduler/engine.h"
#include "services/scheduler/sim/sim_world.h"

namespace fleetcast::scheduler {
namespace {

using job_store::Job;
using job_store::JobSpec;
using sim::kPermit;
using sim::SimFleet;
using sim::SimOptions;
using sim::SimWorld;

constexpr int kCap = 120;
constexpr int kRetries = 2;
constexpr absl::Duration kFaultyTime = absl::Seconds(40);
constexpr const char* kJobs[] = {"plain", "capped", "patient", "waiting", "paced twins"};

class Faults {
 public:
  explicit Faults(uint64_t seed)
      : options_(Options(seed)), dispatchers_die_(seed % 4 == 0), world_(options_), random_(seed * 104'729) {}

  void Run() {
    Prepare();
    const absl::Duration end = world_.clock().Monotonic() + kFaultyTime;
    while (world_.clock().Monotonic() < end) {
      world_.Run(random_.Between(absl::Milliseconds(1), absl::Milliseconds(400)));
      Disturb();
    }
    Heal();
    for (const char* id : kJobs) {
      ASSERT_TRUE(world_.RunUntilEnded(id, absl::Minutes(60))) << id;
      CheckJob(world_.GetJob(id));
    }
    if (!dispatchers_die_) CheckCap(world_.GetJob("capped"));
    CheckTwins(world_.GetJob("paced twins"));
  }

  // Of what the devices saw, and when.
  size_t Hash() {
    std::string history;
    for (const SimFleet::LogEntry& entry : world_.fleet().log()) {
      absl::StrAppend(&history, absl::ToUnixNanos(entry.when), " ", entry.job_seq, " ", entry.change, "\n");
    }
    return std::hash<std::string>()(history);
  }

 private:
  static SimOptions Options(uint64_t seed) {
    SimOptions options;
    options.seed = seed;
    options.dispatchers = 1 + static_cast<int>(seed % 3);
    options.engine.chunks_active_max = seed % 5 < 2 ? 2 : 64;
    return options;
  }

  void Prepare() {
    world_.AddDevices(900 + static_cast<int>(random_.Below(1'500)));
    for (auto& [id, device] : world_.fleet().devices()) {
      device.online = !random_.Chance(200);
      device.silent = random_.Chance(30);
      device.failures = static_cast<int>(random_.Below(4));
      device.answer_after = random_.Between(absl::Milliseconds(1), absl::Seconds(2));
      ids_.push_back(id);
    }
    world_.fleet().faults().lose_message_per_mille = 500;
    world_.fleet().faults().slice_unknown_per_mille = 50;
    world_.faulty_store().fail_per_mille = 20;
    world_.faulty_store().doubt_per_mille = 20;
    CreateJobs();
    for (const int which : {0, 1}) world_.Start(which);
  }

  void CreateJobs() {
    world_.CreateMethodJob("plain");
    world_.CreateMethodJob("capped", [](JobSpec& spec) {
      spec.rollout.in_flight_max = kCap;
      spec.retry.idempotent = true;
      spec.retry.criteria = {{FailureType::kAll, kRetries}};
      spec.retry.backoff_min = absl::Milliseconds(100);
      spec.retry.backoff_max = absl::Seconds(5);
    });
    world_.CreateMethodJob("patient", [](JobSpec& spec) {
      std::get<job_store::MethodAction>(spec.action).connect_timeout = absl::Seconds(120);
    });
    world_.CreateMethodJob("waiting", [](JobSpec& spec) {
      std::get<job_store::MethodAction>(spec.action).wait_for_connection = true;
      spec.execution_timeout = absl::Minutes(20);
    });
    world_.CreateTwinJob("paced twins", [](JobSpec& spec) { spec.rollout.maximum_per_minute = 3'000; });
  }

  void Disturb() {
    for (const int which : {0, 1}) {
      if (random_.Chance(30)) world_.Kill(which);
      if (!world_.running(which) && random_.Chance(200)) world_.Start(which);
    }
    DisturbHops();
    Operate();
  }

  void DisturbHops() {
    const int dispatcher = static_cast<int>(random_.Below(static_cast<uint64_t>(options_.dispatchers)));
    const absl::Duration pause = random_.Between(absl::Milliseconds(1), absl::Seconds(4));
    if (random_.Chance(60)) world_.fleet().BreakDispatcher(dispatcher, pause);
    if (dispatchers_die_ && random_.Chance(20)) world_.fleet().CrashDispatcher(dispatcher, pause);
    if (random_.Chance(60)) world_.fleet().BreakWriter(0, pause);
    for (int i = 0; i < 5; ++i) world_.fleet().SetOnline(ids_[random_.Below(ids_.size())], random_.Chance(700));
  }

  // What applications and operators ask for meanwhile.
  void Operate() {
    const absl::Time now = world_.clock().Now();
    if (!cancelled_.has_value() && random_.Chance(15)) {
      const auto cancel = world_.store().CancelJob(now, {.job_id = "plain", .drain = absl::Seconds(60)});
      if (cancel.ok()) cancelled_ = now;
    }
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

  void CheckJob(const Job& job) {
    const std::string& id = job.spec.id;
    const job_store::JobCounts& counts = job.counts;
    EXPECT_EQ(counts.pending + counts.running, 0) << id;                                                   // J5
    EXPECT_EQ(counts.succeeded + counts.failed + counts.timed_out + counts.canceled, counts.total) << id;  // J6
    const std::vector<job_store::Execution> executions = world_.Executions(id);
    EXPECT_EQ(static_cast<int64_t>(executions.size()), counts.total) << id;
    for (const job_store::Execution& execution : executions) CheckTarget(job, execution);
  }

  void CheckTarget(const Job& job, const job_store::Execution& execution) {
    const std::string where = job.spec.id + " " + execution.device_id;
    sim::SimDevice& device = world_.fleet().device(execution.device_id);
    const bool is_method = execution.kind == job_store::ActionKind::kInvokeMethod;
    const int effects = is_method ? device.calls[job.seq] : device.writes[job.seq];
    EXPECT_TRUE(IsTerminal(execution.state)) << where;                        // J4
    EXPECT_LE(effects, job.spec.id == "capped" ? 1 + kRetries : 1) << where;  // M1, T8
    EXPECT_TRUE(execution.state != ExecutionState::kSucceeded || effects > 0) << where;
    const bool is_denied = execution.state == ExecutionState::kCanceled || execution.error_code == 404103;
    EXPECT_TRUE(!is_denied || effects == 0) << where << " " << execution.error_reason;  // J11, M9
    if (job.spec.id == "plain" && cancelled_.has_value() && effects > 0) {
      EXPECT_LE(device.last_call[job.seq], *cancelled_ + kPermit) << where;  // J10
    }
  }

  // J12. Only where no dispatcher dies: then nobody knows what its devices still do, and no cap can count them.
  void CheckCap(const Job& job) {
    int now = 0;
    int most = 0;
    for (const SimFleet::LogEntry& entry : world_.fleet().log()) {
      if (entry.job_seq == job.seq) most = std::max(most, now += entry.change);
    }
    EXPECT_LE(most, kCap);
    EXPECT_GT(most, kCap / 2);
  }

  // Whatever fails, each twin is changed.
  void CheckTwins(const Job& job) {
    for (auto& [id, device] : world_.fleet().devices()) EXPECT_EQ(device.writes[job.seq], 1) << id;
  }

  const SimOptions options_;
  const bool dispatchers_die_;
  SimWorld world_;
  sim::SeededRandom random_;
  std::vector<std::string> ids_;
  std::optional<absl::Time> cancelled_;
};

class EngineSeeds : public ::testing::TestWithParam<uint64_t> {};

// Says what became of the seed in a word, to compare two processes by.
TEST_P(EngineSeeds, RulesHoldUnderFaults) {
  Faults faults(GetParam());
  faults.Run();
  std::printf("seed %llu: %zx\n", static_cast<unsigned long long>(GetParam()), faults.Hash());
}

INSTANTIATE_TEST_SUITE_P(Seeds, EngineSeeds, ::testing::Range<uint64_t>(1, 13), ::testing::PrintToStringParamName());

// Six minutes: --gtest_also_run_disabled_tests --gtest_filter='EngineSeedsTest.*AThousand'.
TEST(EngineSeedsTest, DISABLED_RulesHoldInAThousand) {
  for (uint64_t seed = 1; seed <= 1'000 && !HasFailure(); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Faults(seed).Run();
  }
}

// Hash tables are seeded and memory is laid out anew in each process: what depends on either differs between two.
TEST(EngineSeedsTest, TheSameSeedIsTheSameRunInAnotherProcess) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = absl::StrCat("env -u GTEST_OUTPUT '", self,
                                           "' --gtest_filter='*/EngineSeeds.*/1:*/EngineSeeds.*/2:*/EngineSeeds.*/3'");
  std::map<std::string, int> lines;
  for (int run = 0; run < 2; ++run) {
    FILE* const other = popen(command.c_str(), "r");
    ASSERT_NE(other, nullptr);
    char buffer[1'000];
    while (std::fgets(buffer, sizeof(buffer), other) != nullptr) {
      if (const std::string line = buffer; line.starts_with("seed ")) ++lines[line];
    }
    pclose(other);
  }
  EXPECT_THAT(lines, ::testing::SizeIs(3));
  EXPECT_THAT(lines, ::testing::Each(::testing::Pair(::testing::_, 2)));
}

}  // namespace
}  // namespace fleetcast::scheduler
