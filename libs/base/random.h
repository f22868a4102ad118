// Randomness as an argument, like time.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace fleetcast {

// A source of random numbers. Implementations say whether they are thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  // Uniform in [0, limit); 0 when limit is 0.
  uint64_t Below(uint64_t limit) { return limit == 0 ? 0 : Next() % limit; }
};

// From the operating system's generator, fit for keys. Thread-safe; lives until exit.
Random& SystemRandom();

// `bytes` random bytes fit for keys.
std::string RandomBytes(size_t bytes);

// A random id of 32 lower-case hex digits.
std::string RandomId();

// Full-jitter back-off: uniform in [0, min(limit, first * 2^attempt)), attempt counted from 0.
absl::Duration Backoff(Random& random, int attempt, absl::Duration first, absl::Duration limit);

}  // namespace fleetcast
