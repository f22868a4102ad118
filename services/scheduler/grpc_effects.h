// Effects over gRPC: one stream to each method_dispatch and each twin replica.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/scheduler/dispatch_link.h"
#include "services/scheduler/effects.h"
#include "services/scheduler/engine.h"
#include "services/scheduler/twin_link.h"

namespace fleetcast::scheduler {

struct GrpcEffectsOptions {
  std::string owner;  // Pod name and boot id of this scheduler.
  std::vector<std::string> method_addresses;
  std::vector<std::string> twin_addresses;
};

// What comes in on the streams is posted to the engine, in the order of each stream.
class GrpcEffects final : public Effects {
 public:
  // Runs an event on the engine's thread; Runner::Post.
  using Post = std::function<void(std::function<void(Engine& engine)> event)>;

  // INVALID_ARGUMENT for a malformed address.
  static absl::StatusOr<std::unique_ptr<GrpcEffects>> Make(const GrpcEffectsOptions& options);

  // Opens the streams; `post` must work until Shutdown returns.
  void Start(Post post);
  // Closes the streams; nothing is posted afterwards.
  void Shutdown(absl::Duration limit);

  bool SendCalls(int dispatcher, const CallBatch& batch) override;
  bool Ask(int dispatcher, std::span<const TargetName> targets) override;
  void Acknowledge(int dispatcher, std::span<const TargetName> targets) override;
  bool Watch(int dispatcher, std::span<const std::string> watch, std::span<const std::string> unwatch) override;
  bool SendSlices(int writer, const SliceBatch& batch) override;

 private:
  DispatchLinkCallbacks DispatcherCallbacks(int dispatcher);
  TwinLinkCallbacks WriterCallbacks(int writer);
  DispatchLink& dispatcher(int index) { return *dispatchers_[static_cast<size_t>(index)]; }

  Post post_;  // Set before the first stream starts.
  std::vector<std::unique_ptr<DispatchLink>> dispatchers_;
  std::vector<std::unique_ptr<TwinLink>> writers_;
};

}  // namespace fleetcast::scheduler
