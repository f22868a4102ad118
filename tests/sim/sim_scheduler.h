// A scheduler: the real engine and starter, on a store that fails and streams that break.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "services/scheduler/engine.h"
#include "services/scheduler/sim/faulty_store.h"
#include "services/scheduler/starter.h"
#include "tests/sim/stream.h"

namespace fleetcast::sim {

class World;
class SimDispatcher;

class SimScheduler final : public Process, private scheduler::StoreExecutor, private scheduler::Effects {
 public:
  SimScheduler(World& world, int index);
  ~SimScheduler() override;

  scheduler::sim::FaultyStore& store() { return store_; }
  // In a thousand statements: one that takes seconds.
  int slow_per_mille = 0;
  const std::vector<std::unique_ptr<Dialer>>& dialers() const { return dialers_; }

  // A NOTIFY of the database.
  void Hint();
  // Something comes in from a dispatcher (by its index), or the twin service.
  void OnEngine(const std::function<void(scheduler::Engine& engine)>& event);
  void OnDispatcherUp(int dispatcher, absl::Time boot, int64_t credit);
  void OnCallEvents(int dispatcher, std::vector<scheduler::CallEvent> events);

 private:
  void OnStart() override;
  void OnKill() override;
  void Run(std::function<std::function<void()>()> call) override;
  void AddTwinDialer();
  void Tick();
  void Poll();

  bool SendCalls(int dispatcher, const scheduler::CallBatch& batch) override;
  bool Ask(int dispatcher, std::span<const scheduler::TargetName> targets) override;
  void Acknowledge(int dispatcher, std::span<const scheduler::TargetName> targets) override;
  bool Watch(int dispatcher, std::span<const std::string> watch, std::span<const std::string> unwatch) override;
  bool SendSlices(int writer, const scheduler::SliceBatch& batch) override;
  // Calls `event(dispatcher, stream)` there.
  template <typename Event>
  bool ToDispatcher(int dispatcher, Event event);

  World& world_;
  scheduler::sim::FaultyStore store_;
  std::vector<std::unique_ptr<Dialer>> dialers_;  // To dispatchers, by index.
  std::vector<bool> up_;                          // Whose hello has come.
  std::unique_ptr<Dialer> twin_;
  bool twin_up_ = false;
  std::unique_ptr<scheduler::Engine> engine_;
  std::unique_ptr<scheduler::Starter> starter_;
  // Engines that were killed: statements under way still run in their name.
  std::vector<std::unique_ptr<scheduler::Engine>> dead_;
};

}  // namespace fleetcast::sim
