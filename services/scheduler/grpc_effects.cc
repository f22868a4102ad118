#include "services/scheduler/grpc_effects.h"

#include <utility>

#include "libs/base/status_macros.h"

namespace fleetcast::scheduler {
namespace {

// Lets a std::function, which is copied, carry what should only be moved.
template <typename T>
std::shared_ptr<T> Shared(T value) {
  return std::make_shared<T>(std::move(value));
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcEffects>> GrpcEffects::Make(const GrpcEffectsOptions& options) {
  auto effects = std::make_unique<GrpcEffects>();
  for (const std::string& address : options.method_addresses) {
    const int index = static_cast<int>(effects->dispatchers_.size());
    FLEETCAST_ASSIGN_OR_RETURN(std::unique_ptr<DispatchLink> link,
                               DispatchLink::Make(address, options.owner, effects->DispatcherCallbacks(index)));
    effects->dispatchers_.push_back(std::move(link));
  }
  for (const std::string& address : options.twin_addresses) {
    const int index = static_cast<int>(effects->writers_.size());
    FLEETCAST_ASSIGN_OR_RETURN(std::unique_ptr<TwinLink> link,
                               TwinLink::Make(address, effects->WriterCallbacks(index)));
    effects->writers_.push_back(std::move(link));
  }
  return effects;
}

DispatchLinkCallbacks GrpcEffects::DispatcherCallbacks(int index) {
  return {
      .on_up = [this, index](absl::Time boot) { post_([=](Engine& engine) { engine.OnDispatcherUp(index, boot); }); },
      .on_down = [this, index] { post_([=](Engine& engine) { engine.OnDispatcherDown(index); }); },
      .on_credit = [this, index](int64_t credit) { post_([=](Engine& engine) { engine.OnCredit(index, credit); }); },
      .on_events =
          [this, index](std::vector<CallEvent> events) {
            post_([index, events = Shared(std::move(events))](Engine& engine) { engine.OnCallEvents(index, *events); });
          },
      .on_knowledge =
          [this, index](std::vector<TargetKnowledge> answers) {
            post_(
                [index, answers = Shared(std::move(answers))](Engine& engine) { engine.OnKnowledge(index, *answers); });
          },
      .on_ready =
          [this](std::vector<std::string> device_ids) {
            post_([ids = Shared(std::move(device_ids))](Engine& engine) { engine.OnDevicesReady(*ids); });
          },
      .on_watch_refused =
          [this](std::vector<std::string> device_ids) {
            post_([ids = Shared(std::move(device_ids))](Engine& engine) { engine.OnWatchRefused(*ids); });
          },
  };
}

TwinLinkCallbacks GrpcEffects::WriterCallbacks(int index) {
  return {
      .on_up = [this, index] { post_([=](Engine& engine) { engine.OnWriterUp(index); }); },
      .on_down = [this, index] { post_([=](Engine& engine) { engine.OnWriterDown(index); }); },
      .on_results =
          [this](std::vector<SliceResult> results) {
            post_([results = Shared(std::move(results))](Engine& engine) { engine.OnSliceResults(*results); });
          },
  };
}

void GrpcEffects::Start(Post post) {
  post_ = std::move(post);
  for (const auto& link : dispatchers_) link->Start();
  for (const auto& link : writers_) link->Start();
}

void GrpcEffects::Shutdown(absl::Duration limit) {
  for (const auto& link : dispatchers_) link->Shutdown(limit);
  for (const auto& link : writers_) link->Shutdown(limit);
}

bool GrpcEffects::SendCalls(int index, const CallBatch& batch) { return dispatcher(index).SendCalls(batch); }

bool GrpcEffects::Ask(int index, std::span<const TargetName> targets) { return dispatcher(index).Ask(targets); }

void GrpcEffects::Acknowledge(int index, std::span<const TargetName> targets) {
  dispatcher(index).Acknowledge(targets);
}

bool GrpcEffects::Watch(int index, std::span<const std::string> watch, std::span<const std::string> unwatch) {
  return dispatcher(index).Watch(watch, unwatch);
}

bool GrpcEffects::SendSlices(int writer, const SliceBatch& batch) {
  return writers_[static_cast<size_t>(writer)]->SendSlices(batch);
}

}  // namespace fleetcast::scheduler
