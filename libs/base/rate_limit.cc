#include "libs/base/rate_limit.h"

#include <algorithm>

#include "absl/hash/hash.h"
#include "libs/base/strings.h"

namespace fleetcast {
namespace {

constexpr double kSpanMax = 1e17;  // Nanoseconds, some three years: what is added to a time never overflows.

// How long `amount` of it takes to come, in nanoseconds.
int64_t SpanOf(const Rate& rate, double amount) {
  return static_cast<int64_t>(std::min(amount / rate.rate * 1e9, kSpanMax));
}

// How long until the use that is over at `full_at` is within the burst.
absl::Duration UntilWithinBurst(const Rate& rate, int64_t full_at, int64_t now) {
  return absl::Nanoseconds(std::max<int64_t>(0, full_at - now - SpanOf(rate, rate.burst)));
}

}  // namespace

bool RateMeter::TryTake(const Rate& rate, absl::Duration now, double amount) {
  return TryReserve(rate, now, absl::ZeroDuration(), amount).has_value();
}

std::optional<absl::Duration> RateMeter::TryReserve(const Rate& rate, absl::Duration now, absl::Duration wait_max,
                                                    double amount) {
  const absl::Duration wait = Until(rate, now, amount);
  if (wait > wait_max) return std::nullopt;
  if (rate.rate > 0) full_at_ = std::max(full_at_, absl::ToInt64Nanoseconds(now)) + SpanOf(rate, amount);
  return wait;
}

absl::Duration RateMeter::Take(const Rate& rate, absl::Duration now, double amount) {
  return *TryReserve(rate, now, absl::InfiniteDuration(), amount);
}

void RateMeter::Spend(const Rate& rate, absl::Duration now) {
  if (rate.rate <= 0) return;
  Take(rate, now);
  full_at_ = std::min(full_at_, absl::ToInt64Nanoseconds(now) + SpanOf(rate, rate.burst));
}

absl::Duration RateMeter::Until(const Rate& rate, absl::Duration now, double amount) const {
  if (rate.rate <= 0) return absl::ZeroDuration();
  const int64_t nanos = absl::ToInt64Nanoseconds(now);
  return UntilWithinBurst(rate, std::max(full_at_, nanos) + SpanOf(rate, amount), nanos);
}

KeyedRateLimit::KeyedRateLimit(const Rate& rate, size_t keys, uint64_t seed) : rate_(rate), seed_(seed) {
  if (rate.rate > 0) slots_.resize((keys + kWays - 1) / kWays * kWays);
}

bool KeyedRateLimit::TryTake(std::string_view key, absl::Duration now) {
  return slots_.empty() || MeterOf(key).TryTake(rate_, now);
}

void KeyedRateLimit::Spend(std::string_view key, absl::Duration now) {
  if (!slots_.empty()) MeterOf(key).Spend(rate_, now);
}

absl::Duration KeyedRateLimit::Until(std::string_view key, absl::Duration now) const {
  if (slots_.empty()) return absl::ZeroDuration();
  const uint64_t hash = HashOf(key);
  const auto first = slots_.begin() + static_cast<std::ptrdiff_t>(FirstSlotOf(hash));
  const auto known = std::find_if(first, first + kWays, [hash](const Slot& slot) { return slot.key == hash; });
  return known == first + kWays ? absl::ZeroDuration() : known->meter.Until(rate_, now);
}

uint64_t KeyedRateLimit::HashOf(std::string_view key) const {
  return std::max<uint64_t>(1, absl::HashOf(seed_, Absl(key)));
}

size_t KeyedRateLimit::FirstSlotOf(uint64_t hash) const { return hash % (slots_.size() / kWays) * kWays; }

RateMeter& KeyedRateLimit::MeterOf(std::string_view key) {
  const uint64_t hash = HashOf(key);
  Slot* const first = &slots_[FirstSlotOf(hash)];
  Slot* least = first;
  for (Slot* slot = first; slot != first + kWays; ++slot) {
    if (slot->key == hash) return slot->meter;
    if (slot->meter.full_at() < least->meter.full_at()) least = slot;
  }
  *least = {hash, {}};
  return least->meter;
}

}  // namespace fleetcast
