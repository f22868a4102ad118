// Rules that cannot fail prove nothing: each mistake that the played parts can make (options.h) must be noticed by the
// rule that is about it.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "tests/sim/scenario.h"

namespace fleetcast::sim {
namespace {

constexpr uint64_t kSeedsMax = 400;

struct Mistake {
  const char* name;
  bool Mutations::*mutation;
  const char* rule;
};

const Mistake kMistakes[] = {
    {"EdgeIgnoresPermit", &Mutations::edge_ignores_permit, "J10"},
    {"EdgeIgnoresPermitAfterTheOutcome", &Mutations::edge_ignores_permit, "M2"},
    {"EdgeTakesAnyAnswer", &Mutations::edge_takes_any_answer, "M4"},
    {"EdgeTakesAnyonesAnswer", &Mutations::edge_takes_anyones_answer, "M3"},
    {"EdgeInventsAnswers", &Mutations::edge_invents_answers, "M3"},
    {"EdgeDropsAnswers", &Mutations::edge_drops_answers, "M5"},
    {"EdgeWritesTwice", &Mutations::edge_writes_twice, "M1"},
    {"CancelAnswersEarly", &Mutations::cancel_answers_early, "J10"},
    {"DispatcherLiesAboutBoot", &Mutations::dispatcher_lies_about_boot, "M1"},
    {"DispatcherReusesIds", &Mutations::dispatcher_reuses_ids, "M6"},
    {"HubDeniesLostCalls", &Mutations::hub_denies_lost_calls, "M9"},
    {"StoreDeniesCallsOfCancelledJobs", &Mutations::store_denies_calls, "J11"},
    {"HubDeniesLostDirectCalls", &Mutations::hub_denies_lost_calls, "M7"},
    {"HubKeepsGeneration", &Mutations::hub_keeps_generation, "S2"},
    {"HubForgetsTakeover", &Mutations::hub_forgets_takeover, "S1"},
    {"HubIgnoresEnds", &Mutations::hub_ignores_ends, "S5"},
    {"HubChecksNoSessions", &Mutations::hub_checks_no_sessions, "S5"},
    {"RedisClosesAnyEpoch", &Mutations::redis_closes_any_epoch, "S3"},
    {"TwinIgnoresKeys", &Mutations::twin_ignores_keys, "T8"},
    {"TwinStarvesSmallJobs", &Mutations::twin_starves_small_jobs, "J13"},
    {"TwinSkipsDevices", &Mutations::twin_skips_devices, "J3"},
    {"StoreIgnoresCaps", &Mutations::store_ignores_caps, "J12"},
    {"EdgeIgnoresPermitAfterTheTime", &Mutations::edge_ignores_permit, "J9"},
    {"StoreNeverExpires", &Mutations::store_never_expires, "J5"},
    {"StoreCountsTwice", &Mutations::store_counts_twice, "J6"},
    {"StoreMixesCounts", &Mutations::store_mixes_counts, "A11"},
    {"StoreReplacesOutcomes", &Mutations::store_replaces_outcomes, "J4"},
    {"StoreStartsEarly", &Mutations::store_starts_early, "J8"},
    {"StoreStartsTwice", &Mutations::store_starts_twice, "J14"},
    {"StoreGoesBack", &Mutations::store_goes_back, "J7"},
    {"StoreEndsEarly", &Mutations::store_ends_early, "J5"},
};

class MutationsTest : public ::testing::TestWithParam<Mistake> {};

TEST_P(MutationsTest, TheRuleNotices) {
  const Mistake& mistake = GetParam();
  Mutations mutations;
  mutations.*mistake.mutation = true;
  static SimMetrics metrics;
  std::set<std::string> others;
  for (uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    const RunResult result = Scenario(Scenario::KindOf(seed), seed, mutations, metrics).Run();
    for (const Violation& violation : result.violations) {
      if (violation.rule == mistake.rule) return;
      others.insert(violation.rule);
    }
  }
  std::string noticed;
  for (const std::string& rule : others) noticed += " " + rule;
  FAIL() << mistake.rule << " noticed nothing in " << kSeedsMax << " seeds; others did:" << noticed;
}

INSTANTIATE_TEST_SUITE_P(All, MutationsTest, ::testing::ValuesIn(kMistakes),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace fleetcast::sim
