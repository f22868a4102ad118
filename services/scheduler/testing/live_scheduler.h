// A scheduler as the process builds it, in this process, on any store and any addresses.
#pragma once

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/base/random.h"
#include "libs/job_store/job_store.h"
#include "services/scheduler/config.h"
#include "services/scheduler/grpc_effects.h"
#include "services/scheduler/runner.h"
#include "services/scheduler/starter.h"
#include "services/scheduler/target_client.h"

namespace fleetcast::scheduler {

// Runs from construction to destruction; destroying it is a crash as far as leases and calls are concerned.
class LiveScheduler {
 public:
  LiveScheduler(const Config& config, job_store::JobStore& store) {
    const std::string owner = RandomId();
    auto targets = TargetClient::Make(config.twin_addresses);
    auto effects = GrpcEffects::Make({owner, config.method_addresses, config.twin_addresses});
    FLEETCAST_CHECK(targets.ok() && effects.ok());
    targets_ = *std::move(targets);
    effects_ = *std::move(effects);
    runner_ = std::make_unique<Runner>(config.Engine(owner), config.postgres_connections - 1, store, *effects_,
                                       SystemClock(), metrics_);
    starter_ = std::make_unique<Starter>(config.Starter(owner), store, *targets_, SystemClock(), metrics_,
                                         [this] { runner_->Post([](Engine& engine) { engine.OnHint(); }); });
    runner_->Start();
    effects_->Start([this](std::function<void(Engine&)> event) { runner_->Post(std::move(event)); });
    starter_->Start();
  }

  ~LiveScheduler() {
    starter_->Stop();
    effects_->Shutdown(absl::ZeroDuration());
  }

  Runner& runner() { return *runner_; }
  // As the listener of the database does.
  void Hint() {
    starter_->Hint();
    runner_->Post([](Engine& engine) { engine.OnHint(); });
  }

 private:
  telemetry::Metrics registry_;
  SchedulerMetrics metrics_{registry_};
  std::unique_ptr<TargetClient> targets_;
  std::unique_ptr<GrpcEffects> effects_;
  std::unique_ptr<Runner> runner_;
  std::unique_ptr<Starter> starter_;
};

}  // namespace fleetcast::scheduler
