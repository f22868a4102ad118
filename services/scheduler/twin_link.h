// The stream of twin writes to one twin replica.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/scheduler/effects.h"

namespace fleetcast::scheduler {

// Called on gRPC's threads, one at a time; must not block.
struct TwinLinkCallbacks {
  std::function<void()> on_up;
  std::function<void()> on_down;
  std::function<void(std::vector<SliceResult> results)> on_results;
};

// Thread-safe.
class TwinLink {
 public:
  // INVALID_ARGUMENT for a malformed address.
  static absl::StatusOr<std::unique_ptr<TwinLink>> Make(const std::string& address, TwinLinkCallbacks callbacks);
  ~TwinLink();

  void Start();
  // Closes the stream; no callback runs afterwards.
  void Shutdown(absl::Duration limit);

  // False when there is no stream or its outbox is full; then nothing was sent.
  bool SendSlices(const SliceBatch& batch);

 private:
  struct State;
  explicit TwinLink(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fleetcast::scheduler
