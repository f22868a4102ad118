// How often something may happen: for one, and for each of very many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace fleetcast {

// `rate` a second on average, `burst` at once. A rate of 0 means no limit.
struct Rate {
  double rate = 0;
  double burst = 0;
};

// How much of a Rate is used, as one number: the time at which all of it is there again (the generic cell rate
// algorithm). All of it is there at first. Times are monotonic and do not go back. Not thread-safe; 8 bytes.
class RateMeter {
 public:
  // Takes `amount` if it is there.
  bool TryTake(const Rate& rate, absl::Duration now, double amount = 1);
  // Takes it although it may not be there yet: how long until it is. Nothing is taken, and nullopt answered, if that is
  // longer than `wait_max`.
  std::optional<absl::Duration> TryReserve(const Rate& rate, absl::Duration now, absl::Duration wait_max,
                                           double amount = 1);
  // Takes it in any case: how long until it is there.
  absl::Duration Take(const Rate& rate, absl::Duration now, double amount = 1);
  // Takes one, or what there is of it.
  void Spend(const Rate& rate, absl::Duration now);
  // How long until `amount` is there, if nothing is taken.
  absl::Duration Until(const Rate& rate, absl::Duration now, double amount = 1) const;

  // When all of it is there again.
  absl::Duration full_at() const { return absl::Nanoseconds(full_at_); }

 private:
  int64_t full_at_ = 0;  // Nanoseconds.
};

// The same Rate for each of very many keys, in memory that does not grow whoever comes: when there is no room for a
// new key, the one of eight that has used least is forgotten, so that whoever uses most stays known, and nobody is
// shut out because others fill the table. Constant time. Not thread-safe.
class KeyedRateLimit {
 public:
  // Remembers up to `keys` of them, in 16 bytes each. `seed`: a number that nobody outside of the process knows, so
  // that no keys can be chosen to share a place.
  KeyedRateLimit(const Rate& rate, size_t keys, uint64_t seed);

  // As those of RateMeter.
  bool TryTake(std::string_view key, absl::Duration now);
  void Spend(std::string_view key, absl::Duration now);
  absl::Duration Until(std::string_view key, absl::Duration now) const;

 private:
  static constexpr size_t kWays = 8;

  struct Slot {
    uint64_t key = 0;  // Its hash; 0: nobody's.
    RateMeter meter;
  };

  uint64_t HashOf(std::string_view key) const;
  // Where those of this hash are: kWays slots from here.
  size_t FirstSlotOf(uint64_t hash) const;
  RateMeter& MeterOf(std::string_view key);

  const Rate rate_;
  const uint64_t seed_;
  std::vector<Slot> slots_;  // Empty without a limit.
};

}  // namespace fleetcast
