#include "tools/fleetsim/behaviour.h"

namespace fleetcast::fleetsim {
namespace {

constexpr double kRounding = 1e-9;  // Sums of shares like 0.1 + 0.2 are a little off.

}  // namespace

double Spread(int64_t index) {
  double spread = 0;
  double digit = 0.1;
  for (; index > 0; index /= 10, digit /= 10) spread += static_cast<double>(index % 10) * digit;
  return spread;
}

Treatment TreatmentOf(int64_t index, double ignore_share, double fail_share) {
  const double spread = Spread(index) + kRounding;
  if (spread < ignore_share) return Treatment::kIgnore;
  return spread < ignore_share + fail_share ? Treatment::kFail : Treatment::kAnswer;
}

Quirk QuirkOf(int64_t index, double twice_share, double lie_share) {
  const double from_end = 1 - Spread(index);
  if (from_end < twice_share + kRounding) return Quirk::kAnswersTwice;
  return from_end < twice_share + lie_share + kRounding ? Quirk::kLies : Quirk::kNone;
}

}  // namespace fleetcast::fleetsim
