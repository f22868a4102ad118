// Which attempt of which job on which target a call belongs to.
#pragma once

#include <cstdint>
#include <utility>

namespace fleetcast::method_dispatch {

// A value; equal keys name the same attempt, for ever (proto/fleetcast/internal/v1/method_dispatch.proto).
struct ExecutionKey {
  int64_t job_seq = 0;
  int64_t position = 0;
  int32_t attempt = 0;

  friend bool operator==(const ExecutionKey&, const ExecutionKey&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const ExecutionKey& key) {
    return H::combine(std::move(state), key.job_seq, key.position, key.attempt);
  }
};

}  // namespace fleetcast::method_dispatch
