// The cores of all services together, under random faults: see README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>

#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "tests/sim/scenario.h"

namespace fleetcast::sim {
namespace {

constexpr uint64_t kSeeds = 100;
// Rules that about one of a thousand seeds still breaks: open findings (README.md). Such a seed is printed, and fails
// the test only when it was asked for by its number, or when there are more than one of a hundred.
const std::set<std::string>& OpenFindings() {
  static const std::set<std::string> rules = {"M9", "S1", "S3", "S5"};
  return rules;
}
constexpr uint64_t kOpenPerSeeds = 100;
constexpr uint64_t kFailuresShown = 3;

uint64_t NumberFrom(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

bool IsOpenFinding(const RunResult& result) {
  return std::all_of(result.violations.begin(), result.violations.end(),
                     [](const Violation& violation) { return OpenFindings().contains(violation.rule); });
}

RunResult RunSeed(uint64_t seed, SimMetrics& metrics) {
  Scenario scenario(Scenario::KindOf(seed), seed, Mutations(), metrics);
  scenario.events_shown = NumberFrom("FLEETCAST_SIM_EVENTS", scenario.events_shown);
  return scenario.Run();
}

// FLEETCAST_SIM_SEED: only this one. FLEETCAST_SIM_SECONDS: as many as fit into this time, from FLEETCAST_SIM_FIRST on
// or from a random one. FLEETCAST_SIM_SEEDS: that many, from 1 on. FLEETCAST_SIM_EVENTS: so many events in the report
// of a failure.
TEST(WorldSeedsTest, RulesHoldUnderFaults) {
  const uint64_t only = NumberFrom("FLEETCAST_SIM_SEED", 0);
  const uint64_t seconds = NumberFrom("FLEETCAST_SIM_SECONDS", 0);
  const uint64_t begin_at = NumberFrom("FLEETCAST_SIM_FIRST", SystemRandom().Below(1'000'000'000) + 1);
  const uint64_t first = only != 0 ? only : seconds != 0 ? begin_at : 1;
  const uint64_t count = only != 0 ? 1 : seconds != 0 ? UINT64_MAX - first : NumberFrom("FLEETCAST_SIM_SEEDS", kSeeds);
  const absl::Duration begin = SystemClock().Monotonic();
  SimMetrics metrics;
  absl::Duration simulated;
  uint64_t events = 0;
  uint64_t hash = 0;  // Of all runs: the same in each process, or a core depends on the order of a hash table.
  uint64_t done = 0;
  uint64_t failed = 0;
  uint64_t open = 0;  // Seeds with nothing but open findings.
  for (; done < count; ++done) {
    if (seconds != 0 && SystemClock().Monotonic() - begin >= absl::Seconds(static_cast<int64_t>(seconds))) break;
    const RunResult result = RunSeed(first + done, metrics);
    simulated += result.time;
    events += result.events;
    hash = hash * 31 + result.hash;
    if (result.violations.empty()) continue;
    if (only == 0 && IsOpenFinding(result)) {
      ++open;
      std::printf("open finding: FLEETCAST_SIM_SEED=%llu breaks %s\n", static_cast<unsigned long long>(first + done),
                  result.violations.front().rule.c_str());
      continue;
    }
    ADD_FAILURE() << "FLEETCAST_SIM_SEED=" << first + done << "\n" << result.report;
    if (++failed == kFailuresShown) break;
  }
  EXPECT_LE(open, 2 + done / kOpenPerSeeds) << "more seeds with open findings than are known of";
  const double took = absl::ToDoubleSeconds(SystemClock().Monotonic() - begin);
  std::printf("sim: %llu seeds from %llu on, %.1f simulated hours, %.1f million events, %.0f seeds/s, hash %016llx\n",
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(first),
              absl::ToDoubleHours(simulated), static_cast<double>(events) / 1e6, static_cast<double>(done) / took,
              static_cast<unsigned long long>(hash));
}

TEST(WorldSeedsTest, TheSameSeedIsTheSameRun) {
  SimMetrics metrics;
  for (const uint64_t seed : {11, 12, 14, 16, 20, 21}) {
    const RunResult once = RunSeed(seed, metrics);
    const RunResult again = RunSeed(seed, metrics);
    EXPECT_EQ(once.hash, again.hash) << "FLEETCAST_SIM_SEED=" << seed;
    EXPECT_EQ(once.events, again.events);
  }
  EXPECT_NE(RunSeed(1, metrics).hash, RunSeed(2, metrics).hash);
}

}  // namespace
}  // namespace fleetcast::sim
