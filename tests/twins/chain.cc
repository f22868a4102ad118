#include "tests/twins/chain.h"

#include <algorithm>

namespace fleetcast::twin_history {
namespace {

// Steps that are tried for one gap. A gap has as many open slots as calls were under way at once on one twin.
constexpr int kStepsMax = 1'000'000;

class Search {
 public:
  Search(Slots& slots, Candidates candidates, const std::function<bool(const State&)>& is_target)
      : slots_(slots), left_(std::move(candidates)), is_target_(is_target) {
    open_ = static_cast<size_t>(std::count(slots_.begin(), slots_.end(), nullptr));
    std::reverse(left_.ordered.begin(), left_.ordered.end());
  }

  bool Run(const State& state) { return must() <= open_ && Step(0, state); }

 private:
  size_t must() const { return left_.ordered.size() + left_.required.size(); }

  bool Step(size_t at, const State& state) {
    if (at == slots_.size()) return is_target_(state);
    if (slots_[at] != nullptr) return Go(*slots_[at], at, state);
    if (!left_.ordered.empty() && Take(left_.ordered, left_.ordered.size() - 1, at, state)) return true;
    if (TakeAny(left_.required, at, state)) return true;
    return must() < open_ && TakeAny(left_.optional, at, state);
  }

  bool Go(const Operation& operation, size_t at, const State& state) {
    State next = state;
    Apply(operation, next);
    return Step(at + 1, next);
  }

  bool TakeAny(std::vector<const Operation*>& pool, size_t at, const State& state) {
    for (size_t i = 0; i < pool.size(); ++i) {
      if (Take(pool, i, at, state)) return true;
    }
    return false;
  }

  // Puts `pool[i]` into the slot `at` and goes on from there; undoes it when that leads nowhere.
  bool Take(std::vector<const Operation*>& pool, size_t i, size_t at, const State& state) {
    if (++steps_ > kStepsMax) return false;
    const Operation* taken = pool[i];
    pool.erase(pool.begin() + static_cast<ptrdiff_t>(i));
    slots_[at] = taken;
    --open_;
    if (Go(*taken, at, state)) return true;
    ++open_;
    slots_[at] = nullptr;
    pool.insert(pool.begin() + static_cast<ptrdiff_t>(i), taken);
    return false;
  }

  Slots& slots_;
  Candidates left_;  // `ordered` backwards.
  const std::function<bool(const State&)>& is_target_;
  size_t open_ = 0;
  int steps_ = 0;
};

}  // namespace

bool FillSlots(const State& state, Slots& slots, Candidates candidates,
               const std::function<bool(const State&)>& is_target) {
  return Search(slots, std::move(candidates), is_target).Run(state);
}

}  // namespace fleetcast::twin_history
