#include "tests/sim/scenario.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/sim/rules.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_dispatcher.h"
#include "tests/sim/sim_edge.h"
#include "tests/sim/sim_hub.h"
#include "tests/sim/sim_scheduler.h"

namespace fleetcast::sim {
namespace {

constexpr absl::Duration kWarmUp = absl::Seconds(2);
constexpr absl::Duration kFaultyTime = absl::Seconds(30);
constexpr absl::Duration kLookMax = absl::Milliseconds(200);
constexpr absl::Duration kReadEvery = absl::Milliseconds(500);
// After the faults: for leases of edges to run out, connections to be found dead, sessions to be announced.
constexpr absl::Duration kSettle = absl::Seconds(60);
// Any job has ended so long after the faults, or never will.
constexpr absl::Duration kEndLimit = absl::Minutes(6);
constexpr size_t kViolationsShown = 10;

}  // namespace

Scenario::Kind Scenario::KindOf(uint64_t seed) {
  if (seed % 40 == 7) return Kind::kCrowded;
  return seed % 8 == 3 ? Kind::kCalm : Kind::kFaults;
}

WorldOptions Scenario::OptionsOf(Kind kind, uint64_t seed, const Mutations& mutations) {
  SeededRandom random(seed * 31 + 7);
  WorldOptions options;
  options.seed = seed;
  options.mutations = mutations;
  options.has_faults = kind == Kind::kFaults;
  options.schedulers = 1 + static_cast<int>(random.Below(3));
  options.dispatchers = 1 + static_cast<int>(random.Below(3));
  options.hubs = 1 + static_cast<int>(random.Below(2));
  options.edges = 1 + static_cast<int>(random.Below(3));
  options.devices = 12 + static_cast<int>(random.Below(50));
  options.chunks_active_max = kind == Kind::kFaults && random.Chance(300) ? 2 : 64;
  if (random.Chance(300)) options.scheduler_credit = 60;
  if (kind != Kind::kCrowded) return options;
  options.devices = 1'100;
  options.chunks_active_max = 8;
  options.scheduler_credit = 150;
  return options;
}

Scenario::Scenario(Kind kind, uint64_t seed, const Mutations& mutations, SimMetrics& metrics)
    : kind_(kind), random_(seed * 7919 + 1), world_(OptionsOf(kind, seed, mutations), metrics) {}

Scenario::~Scenario() = default;

RunResult Scenario::Run() {
  Prepare();
  if (kind_ == Kind::kCrowded) {
    RunCrowded();
  } else {
    CreateJobs();
    absl::Duration next_read;
    int reads = 0;
    const absl::Duration end = world_.universe().queue.now() + kFaultyTime;
    while (world_.universe().queue.now() < end) {
      world_.RunFor(random_.Between(absl::Milliseconds(1), kLookMax));
      Operate();
      if (kind_ == Kind::kFaults) Disturb();
      if (world_.universe().queue.now() < next_read) continue;
      next_read = world_.universe().queue.now() + kReadEvery;
      world_.Read(++reads % 8 == 0);
    }
  }
  Heal();
  AwaitTheEnd();
  Judge();
  RunResult result;
  result.violations = world_.history().violations;
  result.hash = world_.universe().trace.hash();
  result.events = world_.universe().queue.events();
  result.time = world_.universe().queue.now();
  if (!result.violations.empty()) result.report = Report();
  return result;
}

void Scenario::SetHabits(int device) {
  Habits& habits = world_.device(device).habits();
  habits.answer_after = random_.Between(absl::Milliseconds(1), absl::Milliseconds(random_.Chance(200) ? 8'000 : 400));
  habits.is_silent = random_.Chance(60);
  habits.answers_twice = random_.Chance(100);
  habits.answers_elsewhere = random_.Chance(300);
  habits.answers_for_others = random_.Chance(100);
  habits.is_clean = random_.Chance(400);
}

void Scenario::Prepare() {
  world_.StartAll();
  for (int device = 0; device < world_.device_count(); ++device) {
    SetHabits(device);
    if (!random_.Chance(100)) world_.device(device).GoOnline();
  }
  world_.RunFor(kWarmUp);
  if (kind_ != Kind::kFaults) return;
  world_.healthy_since = absl::InfiniteDuration();
  SetStoreFaults(20, 20, 15);
  world_.redis().fail_per_mille = 20;
  world_.redis().doubt_per_mille = 10;
  world_.twin().unknown_per_mille = 60;
  world_.twin().break_stream_per_mille = 200;
  for (int hub = 0; hub < world_.options().hubs; ++hub) world_.hub(hub).slow_per_mille = 20;
}

void Scenario::SetStoreFaults(int fail, int doubt, int slow) {
  for (int i = 0; i < world_.options().schedulers; ++i) {
    world_.scheduler(i).store().fail_per_mille = fail;
    world_.scheduler(i).store().doubt_per_mille = doubt;
    world_.scheduler(i).slow_per_mille = slow;
  }
}

void Scenario::CreateJobs() {
  const int jobs = 1 + static_cast<int>(random_.Below(3));
  for (int i = 0; i < jobs; ++i) CreateJob();
}

void Scenario::CreateJob() {
  job_store::JobSpec spec;
  spec.condition = "*";
  spec.execution_timeout =
      random_.Chance(250) ? random_.Between(absl::Seconds(4), absl::Seconds(20)) : absl::Minutes(3);
  if (random_.Chance(300)) spec.start_time = world_.wall() + random_.Between(absl::Seconds(1), absl::Seconds(10));
  if (random_.Chance(250)) {
    spec.action = job_store::TwinAction{.tags_patch = R"({"floor":3})", .desired_patch = "", .etag = "*"};
  } else {
    const bool waits = random_.Chance(400);
    spec.action = job_store::MethodAction{.method = "",
                                          .payload = "{}",
                                          .response_timeout = random_.Between(absl::Seconds(5), absl::Seconds(30)),
                                          .connect_timeout = waits ? absl::Seconds(40) : absl::ZeroDuration()};
  }
  if (random_.Chance(300)) SetPace(spec);
  world_.CreateJob(std::move(spec));
}

// A rollout and retries.
void Scenario::SetPace(job_store::JobSpec& spec) {
  if (random_.Chance(700)) spec.rollout.in_flight_max = 2 + static_cast<int>(random_.Below(20));
  if (random_.Chance(300)) spec.rollout.maximum_per_minute = 300 + static_cast<int>(random_.Below(3'000));
  if (!std::holds_alternative<job_store::MethodAction>(spec.action) || random_.Chance(300)) return;
  const FailureType failures[] = {FailureType::kAll, FailureType::kFailed, FailureType::kTimedOut,
                                  FailureType::kNotOnline};
  spec.retry.idempotent = true;
  spec.retry.criteria = {{failures[random_.Below(4)], 1 + static_cast<int>(random_.Below(3))}};
  spec.retry.backoff_min = absl::Milliseconds(100);
  spec.retry.backoff_max = absl::Seconds(5);
}

// What applications and operators do meanwhile.
void Scenario::Operate() {
  const int64_t jobs = static_cast<int64_t>(world_.history().jobs.size());
  if (jobs < 6 && random_.Chance(15)) CreateJob();
  if (jobs > 0 && random_.Chance(10))
    world_.CancelJob(1 + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(jobs))));
  if (random_.Chance(200)) {
    const bool waits = random_.Chance(500);
    const int device = static_cast<int>(random_.Below(static_cast<uint64_t>(world_.device_count())));
    world_.Invoke(device, waits ? absl::Seconds(10) : absl::ZeroDuration(), absl::Seconds(15));
  }
  if (random_.Chance(5)) SetHabits(world_.AddDevice());
}

void Scenario::RunCrowded() {
  for (int device = 0; device < world_.device_count(); ++device) {
    Habits& habits = world_.device(device).habits();
    habits.is_silent = device >= SimTwin::kFew && random_.Chance(300);
    habits.answer_after = random_.Between(absl::Milliseconds(5), absl::Milliseconds(500));
  }
  job_store::JobSpec spec;
  spec.condition = "*";
  spec.execution_timeout = absl::Minutes(5);
  spec.action = job_store::MethodAction{
      .method = "", .payload = "{}", .response_timeout = absl::Seconds(10), .connect_timeout = absl::ZeroDuration()};
  world_.CreateJob(spec);
  world_.CreateJob(spec);
  world_.RunFor(random_.Between(absl::Milliseconds(500), absl::Seconds(5)));
  spec.condition = "few";
  world_.CreateJob(spec);
  for (int second = 0; second < 30; ++second) {
    world_.RunFor(absl::Seconds(1));
    world_.Read(false);
  }
}

void Scenario::Heal() {
  for (int i = 0; i < world_.options().schedulers; ++i) world_.scheduler(i).slow_per_mille = 0;
  for (int hub = 0; hub < world_.options().hubs; ++hub) world_.hub(hub).slow_per_mille = 0;
  SetStoreFaults(0, 0, 0);
  world_.redis().SetUp(true);
  world_.redis().fail_per_mille = world_.redis().doubt_per_mille = 0;
  world_.twin().unknown_per_mille = world_.twin().break_stream_per_mille = 0;
  if (world_.has_wrong_clock) {
    for (Process* process : world_.processes()) process->clock().SetSkew(absl::ZeroDuration());
  }
  world_.StartAll();
  world_.healthy_since = kind_ == Kind::kFaults ? world_.universe().queue.now() : absl::ZeroDuration();
}

void Scenario::AwaitTheEnd() {
  const absl::Duration settled = world_.universe().queue.now() + (kind_ == Kind::kFaults ? kSettle : absl::Seconds(2));
  const absl::Duration limit = world_.universe().queue.now() + kEndLimit;
  while (world_.universe().queue.now() < limit) {
    world_.RunFor(absl::Seconds(1));
    world_.Read(false);
    if (world_.all_ended() && world_.universe().queue.now() >= settled) return;
  }
}

void Scenario::Judge() {
  History& history = world_.history();
  for (const auto& [number, job] : history.jobs) {
    if (!job.ended.has_value()) return history.Fail("J5", number, kNoDevice, "the job never ended");
  }
  world_.Read(true);
  rules::CheckTargets(world_);
  rules::CheckOutcomes(world_);
  rules::CheckDirect(world_);
  rules::CheckSessions(world_);
  if (kind_ == Kind::kFaults) return;
  rules::CheckAnswers(world_);
  rules::CheckFairness(world_);
}

std::string Scenario::Report() {
  std::string report;
  const std::vector<Violation>& violations = world_.history().violations;
  for (size_t i = 0; i < std::min(violations.size(), kViolationsShown); ++i) {
    const Violation& violation = violations[i];
    absl::StrAppend(&report, violation.rule, ": job ", violation.job, ", device ", violation.device, ": ",
                    violation.text, "\n");
  }
  absl::StrAppend(&report, "the last events about the first one:\n",
                  world_.universe().trace.Last(events_shown, violations.front().job, violations.front().device));
  return report;
}

}  // namespace fleetcast::sim
