// Ids of calls: what devices see as `$rid`, in hexadecimal.
#pragma once

#include <algorithm>
#include <cstdint>

#include "services/method_dispatch/execution_key.h"

namespace fleetcast::method_dispatch {

using CallId = uint64_t;

// 64 bits:  48 who is called for what | 4 attempt | 12 number of the issue
//
// All attempts of one execution share their first 48 bits (reliability M1): a one-to-one image of 21 bits of the
// job's number and the lower 27 bits of the target's: up to a million jobs a day, no two executions of the same or the
// next day share them, so none within 24 hours on one device (M6). An attempt is written to a device once; when it is
// issued again, after proof that it was not, the last bits differ, so that a late word about the first issue is not
// taken for one about the second. Direct calls count up in the first 48 bits, and their attempt is 15, which
// no execution has.
class CallIds {
 public:
  static constexpr int kAttemptMax = 14;

  // `seed`: random for each start of the process.
  explicit CallIds(uint64_t seed) : direct_(seed), issues_(seed) {}

  CallId NextDirect() { return (direct_++ << kLowBits) | kDirect; }
  // Another one each time, until the number of the issue comes round.
  CallId Next(const ExecutionKey& key) {
    const auto attempt = static_cast<uint64_t>(std::clamp(key.attempt, 0, kAttemptMax));
    return (PrefixOf(key) << kLowBits) | (attempt << kIssueBits) | (issues_++ & kIssueMask);
  }

  static uint64_t PrefixOf(const ExecutionKey& key) {
    // The store puts the day into the upper half of a job's number and counts from 1 each day.
    const auto seq = static_cast<uint64_t>(key.job_seq);
    const uint64_t job = seq + (seq >> kDayShift) * kJobsApart;
    uint64_t bits = ((job << 27) | (static_cast<uint64_t>(key.position) & 0x7ffffff)) & kPrefixMask;
    // Each step can be undone within 48 bits.
    bits = bits * 0x9e3779b97f4b & kPrefixMask;
    bits ^= bits >> 24;
    bits = bits * 0xc2b2ae3d27d5 & kPrefixMask;
    return bits ^ (bits >> 24);
  }

 private:
  static constexpr int kLowBits = 16;
  static constexpr int kDayShift = 32;
  static constexpr uint64_t kJobsApart = uint64_t{1} << 20;  // Between the first jobs of two days.
  static constexpr int kIssueBits = 12;
  static constexpr uint64_t kIssueMask = (uint64_t{1} << kIssueBits) - 1;
  static constexpr uint64_t kPrefixMask = (uint64_t{1} << 48) - 1;
  static constexpr uint64_t kDirect = 0xffff;

  uint64_t direct_;
  uint64_t issues_;
};

}  // namespace fleetcast::method_dispatch
