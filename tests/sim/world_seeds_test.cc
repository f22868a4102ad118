// The cores of all services together, under random faults: see README.md.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "tests/sim/scenario.h"

namespace fleetcast::sim {
namespace {

constexpr uint64_t kSeeds = 100;
constexpr uint64_t kFailuresShown = 3;
constexpr uint64_t kSeedsTwice = 50;
constexpr uint64_t kSeedsElsewhere = 200;

uint64_t NumberFrom(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

RunResult RunSeed(uint64_t seed, SimMetrics& metrics) {
  Scenario scenario(Scenario::KindOf(seed), seed, Mutations(), metrics);
  scenario.events_shown = NumberFrom("FLEETCAST_SIM_EVENTS", scenario.events_shown);
  return scenario.Run();
}

// What makes one run differ from another, as a line.
std::string LineOf(uint64_t seed, const RunResult& result) {
  return absl::StrFormat("seed %d: %d events, hash %016x\n", seed, result.events, result.hash);
}

// FLEETCAST_SIM_SEED: only this one. FLEETCAST_SIM_SECONDS: as many as fit into this time, from FLEETCAST_SIM_FIRST on
// or from a random one. FLEETCAST_SIM_SEEDS: that many, from FLEETCAST_SIM_FIRST on or from 1. FLEETCAST_SIM_EVENTS: so
// many events in the report of a failure. FLEETCAST_SIM_LIST=1: a line for each seed, to compare two processes by.
TEST(WorldSeedsTest, RulesHoldUnderFaults) {
  const uint64_t only = NumberFrom("FLEETCAST_SIM_SEED", 0);
  const uint64_t seconds = NumberFrom("FLEETCAST_SIM_SECONDS", 0);
  const bool lists = NumberFrom("FLEETCAST_SIM_LIST", 0) != 0;
  const uint64_t begin_at =
      NumberFrom("FLEETCAST_SIM_FIRST", seconds != 0 ? SystemRandom().Below(1'000'000'000) + 1 : 1);
  const uint64_t first = only != 0 ? only : begin_at;
  const uint64_t count = only != 0 ? 1 : seconds != 0 ? UINT64_MAX - first : NumberFrom("FLEETCAST_SIM_SEEDS", kSeeds);
  const absl::Duration begin = SystemClock().Monotonic();
  SimMetrics metrics;
  absl::Duration simulated;
  uint64_t events = 0;
  uint64_t hash = 0;  // Of all runs: the same in each process, or a core depends on the order of a hash table.
  uint64_t done = 0;
  uint64_t failed = 0;
  for (; done < count && failed < kFailuresShown; ++done) {
    if (seconds != 0 && SystemClock().Monotonic() - begin >= absl::Seconds(static_cast<int64_t>(seconds))) break;
    const RunResult result = RunSeed(first + done, metrics);
    simulated += result.time;
    events += result.events;
    hash = hash * 31 + result.hash;
    if (lists) std::printf("%s", LineOf(first + done, result).c_str());
    if (result.violations.empty()) continue;
    ADD_FAILURE() << "FLEETCAST_SIM_SEED=" << first + done << "\n" << result.report;
    ++failed;
  }
  const double took = absl::ToDoubleSeconds(SystemClock().Monotonic() - begin);
  std::printf("sim: %llu seeds from %llu on, %.1f simulated hours, %.1f million events, %.0f seeds/s, hash %016llx\n",
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(first),
              absl::ToDoubleHours(simulated), static_cast<double>(events) / 1e6, static_cast<double>(done) / took,
              static_cast<unsigned long long>(hash));
}

TEST(WorldSeedsTest, TheSameSeedIsTheSameRun) {
  SimMetrics metrics;
  for (uint64_t seed = 1; seed <= kSeedsTwice; ++seed) {
    EXPECT_EQ(LineOf(seed, RunSeed(seed, metrics)), LineOf(seed, RunSeed(seed, metrics)));
  }
  EXPECT_NE(RunSeed(1, metrics).hash, RunSeed(2, metrics).hash);
}

// Hash tables are seeded and memory is laid out anew in each process: what depends on either differs between two.
TEST(WorldSeedsTest, TheSameSeedIsTheSameRunInAnotherProcess) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = absl::StrFormat(
      "env -u FLEETCAST_SIM_SEED -u FLEETCAST_SIM_SECONDS -u GTEST_OUTPUT FLEETCAST_SIM_FIRST=1 FLEETCAST_SIM_SEEDS=%d "
      "FLEETCAST_SIM_LIST=1 '%s' --gtest_filter=WorldSeedsTest.RulesHoldUnderFaults",
      kSeedsElsewhere, self);
  std::vector<std::string> lines;
  FILE* other = popen(command.c_str(), "r");
  ASSERT_NE(other, nullptr);
  char buffer[1'000];
  while (std::fgets(buffer, sizeof(buffer), other) != nullptr) {
    const std::string line = buffer;
    if (line.starts_with("seed ")) lines.push_back(line);
  }
  pclose(other);
  SimMetrics metrics;
  ASSERT_EQ(lines.size(), kSeedsElsewhere);
  for (uint64_t seed = 1; seed <= kSeedsElsewhere; ++seed) {
    EXPECT_EQ(lines[seed - 1], LineOf(seed, RunSeed(seed, metrics)));
  }
}

}  // namespace
}  // namespace fleetcast::sim
