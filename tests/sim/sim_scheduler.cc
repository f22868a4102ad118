#include "tests/sim/sim_scheduler.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "tests/sim/sim_dispatcher.h"
#include "tests/sim/world.h"

namespace fleetcast::sim {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(200);

}  // namespace

SimScheduler::SimScheduler(World& world, int index)
    : Process(world.universe(), "scheduler", index), world_(world), store_(world.store(), world.universe().random) {
  store_.never_expires = world_.options().mutations.store_never_expires;
  store_.on_recorded = [this](std::span<const job_store::Outcome> outcomes, const job_store::RecordResult&) {
    world_.OnRecorded(outcomes);
  };
  for (int to = 0; to < world_.options().dispatchers; ++to) {
    SimDispatcher& dispatcher = world_.dispatcher(to);
    dialers_.push_back(std::make_unique<Dialer>(
        universe_, *this, dispatcher,
        [this, &dispatcher](const std::shared_ptr<Stream>& stream) { dispatcher.AcceptScheduler(*this, stream); },
        [](const std::shared_ptr<Stream>&) {},
        [this, to] {
          const bool was_up = up_[static_cast<size_t>(to)];
          up_[static_cast<size_t>(to)] = false;
          if (was_up) OnEngine([to](scheduler::Engine& engine) { engine.OnDispatcherDown(to); });
        }));
  }
  up_.resize(dialers_.size());
  AddTwinDialer();
}

SimScheduler::~SimScheduler() = default;

void SimScheduler::AddTwinDialer() {
  twin_ = std::make_unique<Dialer>(
      universe_, *this, world_.twin(), [this](const std::shared_ptr<Stream>& stream) { world_.twin().Accept(stream); },
      [this](const std::shared_ptr<Stream>&) {
        twin_up_ = true;
        OnEngine([](scheduler::Engine& engine) { engine.OnWriterUp(0); });
      },
      [this] {
        if (std::exchange(twin_up_, false)) OnEngine([](scheduler::Engine& engine) { engine.OnWriterDown(0); });
      });
}

void SimScheduler::OnStart() {
  scheduler::EngineOptions options;
  options.owner = absl::StrFormat("scheduler-%d/%d", index(), life());
  options.dispatchers = world_.options().dispatchers;
  options.writers = 1;
  options.chunks_active_max = world_.options().chunks_active_max;
  options.method.random = &universe_.random;
  if (world_.options().mutations.scheduler_trusts_leases) options.lease.margin = -absl::Hours(1);
  engine_ = std::make_unique<scheduler::Engine>(options, store_, static_cast<StoreExecutor&>(*this),
                                                static_cast<Effects&>(*this), clock(), world_.metrics().scheduler);
  scheduler::StarterOptions starting;
  starting.owner = options.owner;
  starter_ = std::make_unique<scheduler::Starter>(starting, store_, world_.twin(), clock(), world_.metrics().scheduler,
                                                  [this] { engine_->OnHint(); });
  for (const auto& dialer : dialers_) dialer->Dial();
  twin_->Dial();
  Tick();
  Poll();
}

void SimScheduler::OnKill() {
  for (const auto& dialer : dialers_) dialer->Drop(true);
  twin_->Drop(true);
  std::fill(up_.begin(), up_.end(), false);
  twin_up_ = false;
  starter_.reset();
  dead_.push_back(std::move(engine_));
}

void SimScheduler::Hint() {
  After(absl::Milliseconds(1), [this] {
    starter_->RunOnce({});
    engine_->OnHint();
  });
}

void SimScheduler::OnEngine(const std::function<void(scheduler::Engine& engine)>& event) {
  event(*engine_);
  engine_->Pump();
}

void SimScheduler::Tick() {
  engine_->Pump();
  After(engine_->idle() ? kPoll / 4 : scheduler::Engine::kTick, [this] { Tick(); });
}

void SimScheduler::Poll() {
  starter_->RunOnce({});
  After(kPoll, [this] { Poll(); });
}

void SimScheduler::Run(std::function<std::function<void()>()> call) {
  SeededRandom& random = universe_.random;
  absl::Duration there = random.Between(absl::Microseconds(200), absl::Milliseconds(4));
  if (random.Chance(slow_per_mille)) there += random.Between(absl::Milliseconds(100), absl::Seconds(9));
  // Not the process's own event: a statement that is under way does not stop with it.
  universe_.queue.After(there, [this, issued_in = life(), call = std::move(call)] {
    if (issued_in != life() && universe_.random.Chance(500)) return;
    const std::function<void()> done = call();
    const absl::Duration back = universe_.random.Between(absl::Microseconds(100), absl::Milliseconds(2));
    universe_.queue.After(back, [this, issued_in, done] {
      Process::Run(issued_in, [this, done] { OnEngine([&done](scheduler::Engine&) { done(); }); });
    });
  });
}

void SimScheduler::OnDispatcherUp(int dispatcher, absl::Time boot, int64_t credit) {
  up_[static_cast<size_t>(dispatcher)] = true;
  OnEngine([&](scheduler::Engine& engine) {
    engine.OnDispatcherUp(dispatcher, boot);
    engine.OnCredit(dispatcher, credit);
  });
}

void SimScheduler::OnCallEvents(int dispatcher, std::vector<scheduler::CallEvent> events) {
  OnEngine([&](scheduler::Engine& engine) { engine.OnCallEvents(dispatcher, events); });
}

template <typename Event>
bool SimScheduler::ToDispatcher(int dispatcher, Event event) {
  if (!up_[static_cast<size_t>(dispatcher)]) return false;
  const Dialer& dialer = *dialers_[static_cast<size_t>(dispatcher)];
  SimDispatcher& to = world_.dispatcher(dispatcher);
  const Stream* stream = dialer.stream().get();
  return stream != nullptr && dialers_[static_cast<size_t>(dispatcher)]->Send(
                                  [&to, stream, event = std::move(event)] { event(to, stream); });
}

bool SimScheduler::SendCalls(int dispatcher, const scheduler::CallBatch& batch) {
  const auto& action = std::get<job_store::MethodAction>(batch.job->spec.action);
  SimDispatcher::Batch calls{.job_seq = batch.job->seq,
                             .method = action.method,
                             .payload = action.payload,
                             .response_timeout = action.response_timeout,
                             .permit_end = batch.permit_end,
                             .targets = {}};
  for (const scheduler::CallBatch::Call& call : batch.calls) {
    calls.targets.push_back({call.target, call.attempt, std::string(call.device_id)});
    universe_.Note("scheduler issues", world_.NumberOfSeq(calls.job_seq), world_.DeviceOf(call.device_id), index(),
                   dispatcher);
  }
  return ToDispatcher(
      dispatcher, [calls = std::move(calls)](SimDispatcher& to, const Stream* stream) { to.OnBatch(stream, calls); });
}

bool SimScheduler::Ask(int dispatcher, std::span<const scheduler::TargetName> targets) {
  return ToDispatcher(dispatcher, [names = std::vector(targets.begin(), targets.end())](
                                      SimDispatcher& to, const Stream* stream) { to.OnAsked(stream, names); });
}

void SimScheduler::Acknowledge(int dispatcher, std::span<const scheduler::TargetName> targets) {
  ToDispatcher(dispatcher, [names = std::vector(targets.begin(), targets.end())](SimDispatcher& to, const Stream*) {
    to.OnAcknowledged(names);
  });
}

bool SimScheduler::Watch(int dispatcher, std::span<const std::string> watch, std::span<const std::string> unwatch) {
  return ToDispatcher(
      dispatcher, [added = std::vector(watch.begin(), watch.end()), gone = std::vector(unwatch.begin(), unwatch.end())](
                      SimDispatcher& to, const Stream* stream) { to.OnWatch(stream, added, gone); });
}

bool SimScheduler::SendSlices(int, const scheduler::SliceBatch& batch) {
  if (!twin_up_) return false;
  std::vector<SimTwin::Slice> slices;
  for (const scheduler::SliceBatch::Slice& slice : batch.slices) {
    slices.push_back(
        {slice.chunk, slice.slice, batch.permit_end, std::vector(slice.device_ids.begin(), slice.device_ids.end())});
  }
  return twin_->Send([this, slices = std::move(slices), stream = twin_->stream()] {
    SimTwin& twin = world_.twin();
    for (const SimTwin::Slice& slice : slices) {
      twin.After(universe_.random.Between(absl::Milliseconds(1), absl::Milliseconds(8)), [this, &twin, slice, stream] {
        const scheduler::SliceResult result = twin.Write(slice);
        stream->Send(Side::kServer, [this, result] {
          OnEngine([&result](scheduler::Engine& engine) { engine.OnSliceResults({&result, 1}); });
        });
      });
    }
  });
}

}  // namespace fleetcast::sim
