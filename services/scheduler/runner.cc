#include "services/scheduler/runner.h"

#include <memory>
#include <utility>

namespace fleetcast::scheduler {
namespace {

// Store calls that may wait. The engine makes about ten at once; giving leases back at the end makes some more.
constexpr size_t kStoreCallsMax = 1024;
// How long the thread sleeps when nothing is held and nothing happens.
constexpr absl::Duration kIdleTick = absl::Milliseconds(50);
constexpr absl::Duration kDrainLook = absl::Milliseconds(20);

}  // namespace

Runner::Runner(const EngineOptions& options, int store_threads, job_store::JobStore& store, Effects& effects,
               Clock& clock, SchedulerMetrics& metrics)
    : clock_(clock),
      engine_(options, store, *this, effects, clock, metrics),
      store_threads_(store_threads, kStoreCallsMax) {}

Runner::~Runner() { Stop(); }

void Runner::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Loop(stop); });
}

void Runner::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Runner::Post(std::function<void(Engine& engine)> event) {
  {
    MutexLock lock(mutex_);
    events_.push_back(std::move(event));
  }
  changed_.notify_one();
}

void Runner::Run(std::function<std::function<void()>()> call) {
  auto shared = std::make_shared<std::function<std::function<void()>()>>(std::move(call));
  const auto work = [this, shared] { Post([done = (*shared)()](Engine&) { done(); }); };
  // The engine keeps few calls under way; should the queue be full all the same, waiting here is slow but right.
  if (!store_threads_.TrySubmit(work)) work();
}

std::vector<std::function<void(Engine&)>> Runner::TakeEvents(std::stop_token stop) {
  const absl::Duration wait = engine_.idle() ? kIdleTick : Engine::kTick;
  std::unique_lock<Mutex> lock(mutex_);
  changed_.wait_for(lock, stop, absl::ToChronoNanoseconds(wait), [this] { return !events_.empty(); });
  return std::exchange(events_, {});
}

void Runner::Loop(std::stop_token stop) {
  while (!stop.stop_requested()) {
    for (const auto& event : TakeEvents(stop)) event(engine_);
    engine_.Pump();
    MutexLock lock(mutex_);
    stopped_ = engine_.stopped();
  }
}

void Runner::Drain(absl::Duration limit) {
  Post([](Engine& engine) { engine.BeginStop(); });
  const absl::Duration end = clock_.Monotonic() + limit;
  const auto stopped = [this] {
    MutexLock lock(mutex_);
    return stopped_;
  };
  while (!stopped() && clock_.Monotonic() < end) clock_.Sleep(kDrainLook, {});
  if (!stopped()) Post([](Engine& engine) { engine.GiveUp(); });
}

}  // namespace fleetcast::scheduler
