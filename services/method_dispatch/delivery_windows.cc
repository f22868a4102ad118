#include "services/method_dispatch/delivery_windows.h"

#include <algorithm>

namespace fleetcast::method_dispatch {

DeliveryWindows::Window& DeliveryWindows::At(size_t delivery) {
  if (delivery >= windows_.size()) windows_.resize(delivery + 1);
  return windows_[delivery];
}

void DeliveryWindows::Up(size_t delivery) { At(delivery) = {.up = true, .credit = kCreditUntold, .used = 0}; }

void DeliveryWindows::Down(size_t delivery) {
  At(delivery) = {};
  absl::erase_if(under_way_, [delivery](const auto& entry) { return entry.second == delivery; });
}

void DeliveryWindows::SetCredit(size_t delivery, int64_t credit) { At(delivery).credit = credit; }

void DeliveryWindows::Push(std::vector<Actions::Deliver> calls) {
  for (Actions::Deliver& call : calls) waiting_.push_back(std::move(call));
}

std::optional<DeliveryWindows::Batch> DeliveryWindows::Next(size_t calls_max) {
  const Window* chosen = Roomiest();
  if (waiting_.empty() || chosen == nullptr) return std::nullopt;
  Batch batch{.delivery = static_cast<size_t>(chosen - windows_.data()), .calls = {}};
  const size_t count = std::min({calls_max, waiting_.size(), static_cast<size_t>(chosen->room())});
  batch.calls.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    Actions::Deliver& call = waiting_.front();
    if (under_way_.try_emplace(call.call, batch.delivery).second) {
      ++windows_[batch.delivery].used;
      forget_at_.emplace_back(call.permit_expire + kForgetAfter, call.call);
    }
    batch.calls.push_back(std::move(call));
    waiting_.pop_front();
  }
  return batch;
}

void DeliveryWindows::Heard(CallId call) {
  const auto found = under_way_.find(call);
  if (found == under_way_.end()) return;
  --windows_[found->second].used;
  under_way_.erase(found);
}

std::vector<CallId> DeliveryWindows::TakeUnsendable(absl::Time now) {
  while (!forget_at_.empty() && (forget_at_.front().first <= now || !under_way_.contains(forget_at_.front().second))) {
    Heard(forget_at_.front().second);
    forget_at_.pop_front();
  }
  std::vector<CallId> taken;
  const bool all = !any_up();
  // Permits run out in about the order in which they were given; one that is passed over is refused by its edge.
  while (!waiting_.empty() && (all || waiting_.front().permit_expire <= now)) {
    taken.push_back(waiting_.front().call);
    waiting_.pop_front();
  }
  return taken;
}

bool DeliveryWindows::has_work() const { return !waiting_.empty() && (Roomiest() != nullptr || !any_up()); }

const DeliveryWindows::Window* DeliveryWindows::Roomiest() const {
  const auto best = std::max_element(windows_.begin(), windows_.end(),
                                     [](const Window& a, const Window& b) { return a.room() < b.room(); });
  return best == windows_.end() || best->room() == 0 ? nullptr : &*best;
}

bool DeliveryWindows::any_up() const {
  return std::any_of(windows_.begin(), windows_.end(), [](const Window& window) { return window.up; });
}

}  // namespace fleetcast::method_dispatch
