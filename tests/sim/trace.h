// What happened in a run: for the word about a failure, and as one number that is the same when the run is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace fleetcast::sim {

inline constexpr int kNoDevice = -1;
inline constexpr int64_t kNoJob = 0;

// Not thread-safe. Holds what one seed does: some tens of thousands of small entries.
class Trace {
 public:
  // `what` must be a literal: "edge wrote the request". The numbers are whatever helps to understand.
  void Note(absl::Duration at, const char* what, int64_t job, int device, int64_t first = 0, int64_t second = 0);

  // Changes with every entry and its order.
  uint64_t hash() const { return hash_; }
  size_t size() const { return entries_.size(); }

  // The last `count` entries about this device and job, and as many about nobody in particular before the last of
  // them; one a line.
  std::string Last(size_t count, int64_t job, int device) const;

 private:
  struct Entry {
    absl::Duration at;
    const char* what;
    int64_t job;
    int device;
    int64_t first, second;
  };

  void Mix(uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001b3; }

  std::vector<Entry> entries_;
  uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace fleetcast::sim
