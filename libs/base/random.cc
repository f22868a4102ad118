#include "libs/base/random.h"

#include <sys/random.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "libs/base/check.h"

namespace fleetcast {
namespace {

void Fill(void* out, size_t bytes) {
  char* at = static_cast<char*>(out);
  while (bytes > 0) {
    const ssize_t got = getrandom(at, bytes, 0);
    FLEETCAST_CHECK(got > 0);
    at += got;
    bytes -= static_cast<size_t>(got);
  }
}

class OsRandom final : public Random {
 public:
  uint64_t Next() override {
    uint64_t value = 0;
    Fill(&value, sizeof(value));
    return value;
  }
};

}  // namespace

Random& SystemRandom() {
  static OsRandom* const random = new OsRandom;
  return *random;
}

std::string RandomBytes(size_t bytes) {
  std::string out(bytes, '\0');
  Fill(out.data(), bytes);
  return out;
}

std::string RandomId() { return absl::BytesToHexString(RandomBytes(16)); }

absl::Duration Backoff(Random& random, int attempt, absl::Duration first, absl::Duration limit) {
  const absl::Duration ceiling = std::min(limit, first * (int64_t{1} << std::clamp(attempt, 0, 30)));
  const int64_t nanos = absl::ToInt64Nanoseconds(ceiling);
  return absl::Nanoseconds(static_cast<int64_t>(random.Below(static_cast<uint64_t>(std::max<int64_t>(nanos, 0)))));
}

}  // namespace fleetcast
