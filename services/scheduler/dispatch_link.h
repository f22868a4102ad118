// The stream to one method_dispatch replica.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/scheduler/effects.h"

namespace fleetcast::scheduler {

// What comes back. Called on gRPC's threads, one at a time; must not block.
struct DispatchLinkCallbacks {
  std::function<void(absl::Time boot)>
      on_up;                      // The dispatcher has said hello (again): it knows everything since `boot`.
  std::function<void()> on_down;  // Once per first on_up of a stream.
  std::function<void(int64_t credit)> on_credit;
  std::function<void(std::vector<CallEvent> events)> on_events;
  std::function<void(std::vector<TargetKnowledge> answers)> on_knowledge;
  std::function<void(std::vector<std::string> device_ids)> on_ready;
  std::function<void(std::vector<std::string> device_ids)> on_watch_refused;
};

// Thread-safe. Sends say false when there is no stream or its outbox is full; then nothing was sent.
class DispatchLink {
 public:
  // `owner`: pod name and boot id of this scheduler. INVALID_ARGUMENT for a malformed address.
  static absl::StatusOr<std::unique_ptr<DispatchLink>> Make(const std::string& address, const std::string& owner,
                                                            DispatchLinkCallbacks callbacks);
  ~DispatchLink();

  void Start();
  // Closes the stream; no callback runs afterwards.
  void Shutdown(absl::Duration limit);

  bool SendCalls(const CallBatch& batch);
  bool Ask(std::span<const TargetName> targets);
  void Acknowledge(std::span<const TargetName> targets);
  bool Watch(std::span<const std::string> watch, std::span<const std::string> unwatch);

 private:
  struct State;
  explicit DispatchLink(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fleetcast::scheduler
