// The thread that drives the engine, and the threads that talk to the store for it.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/worker_pool.h"
#include "services/scheduler/engine.h"

namespace fleetcast::scheduler {

// Any thread posts events; one thread hands them to the engine and lets it work. What waits here is bounded by the
// credit that dispatchers give (two events a call) and by the store calls that the engine makes at once.
class Runner final : private StoreExecutor {
 public:
  // `store_threads`: about as many as the store has connections. The other arguments outlive this.
  Runner(const EngineOptions& options, int store_threads, job_store::JobStore& store, Effects& effects, Clock& clock,
         SchedulerMetrics& metrics);
  // Stops without waiting for anything in flight: as a crash, but for the threads.
  ~Runner() override;

  void Start();
  // Runs `event` on the engine's thread soon. Thread-safe.
  void Post(std::function<void(Engine& engine)> event) EXCLUDES(mutex_);
  // Takes no new work and waits until all in flight has come, been recorded and given back; at most `limit`. The thread
  // goes on afterwards, so that late answers are still recorded.
  void Drain(absl::Duration limit);
  // Ends the thread.
  void Stop();

 private:
  void Run(std::function<std::function<void()>()> call) override;
  void Loop(std::stop_token stop);
  // Waits for events, at most as long as the engine allows.
  std::vector<std::function<void(Engine&)>> TakeEvents(std::stop_token stop) EXCLUDES(mutex_);

  Clock& clock_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::function<void(Engine&)>> events_ GUARDED_BY(mutex_);
  bool stopped_ GUARDED_BY(mutex_) = false;  // The engine has said so after BeginStop.
  Engine engine_;                            // Only touched by thread_.
  WorkerPool store_threads_;
  std::jthread thread_;
};

}  // namespace fleetcast::scheduler
