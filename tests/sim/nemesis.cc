// The part of Scenario that breaks things.
#include <algorithm>

#include "tests/sim/scenario.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_dispatcher.h"
#include "tests/sim/sim_edge.h"
#include "tests/sim/sim_hub.h"
#include "tests/sim/sim_scheduler.h"

namespace fleetcast::sim {
namespace {

constexpr absl::Duration kStall = absl::Seconds(10);  // Fault 25b.
constexpr absl::Duration kJump = absl::Seconds(90);

}  // namespace

SimDevice& Scenario::AnyDevice() {
  return world_.device(static_cast<int>(random_.Below(static_cast<uint64_t>(world_.device_count()))));
}

void Scenario::Disturb() {
  if (random_.Chance(120)) DisturbProcess();
  if (random_.Chance(150)) DisturbNetwork();
  if (random_.Chance(20)) DisturbRedis();
  if (random_.Chance(400)) DisturbDevices();
  if (random_.Chance(3)) DisturbClocks();
}

void Scenario::DisturbProcess() {
  const std::vector<Process*> processes = world_.processes();
  Process* process = processes[random_.Below(processes.size())];
  if (!process->is_alive()) return process->Start();
  const absl::Duration pause = random_.Between(absl::Milliseconds(1), absl::Seconds(random_.Chance(200) ? 20 : 3));
  if (random_.Chance(500)) {
    process->Kill();
    world_.universe().queue.After(pause, [process] { process->Start(); });
    return;
  }
  if (process->is_paused()) return;
  process->Pause();
  world_.universe().Note("a process is stopped", kNoJob, kNoDevice, process->index(), absl::ToInt64Milliseconds(pause));
  world_.universe().Note(process->kind());
  world_.universe().queue.After(pause, [process] { process->Resume(); });
}

Dialer* Scenario::AnyDialer() {
  std::vector<Dialer*> dialers;
  const auto add = [&](const auto& of_process) {
    for (const auto& dialer : of_process.dialers()) dialers.push_back(dialer.get());
  };
  for (int i = 0; i < world_.options().schedulers; ++i) add(world_.scheduler(i));
  for (int i = 0; i < world_.options().dispatchers; ++i) add(world_.dispatcher(i));
  for (int i = 0; i < world_.options().edges; ++i) add(world_.edge(i));
  return dialers[random_.Below(dialers.size())];
}

void Scenario::DisturbNetwork() {
  Dialer* dialer = AnyDialer();
  if (dialer->stream() == nullptr) return;
  switch (random_.Below(4)) {
    case 0: return dialer->stream()->Break();
    case 1:  // Broken, and no way back for a while.
      dialer->Block(world_.universe().queue.now() + random_.Between(absl::Milliseconds(100), absl::Seconds(8)));
      return dialer->stream()->Break();
    case 2: {  // Held for a while in one direction or both.
      const absl::Duration stall =
          random_.Chance(300) ? kStall : random_.Between(absl::Milliseconds(20), absl::Seconds(2));
      world_.universe().Note("a stream is stalled", kNoJob, kNoDevice, absl::ToInt64Milliseconds(stall));
      dialer->stream()->Stall(Side::kClient, stall);
      if (random_.Chance(500)) dialer->stream()->Stall(Side::kServer, stall);
      return;
    }
    default: {  // Cut in one direction, which the ends find out later.
      const Side side = random_.Chance(500) ? Side::kClient : Side::kServer;
      dialer->stream()->Stall(side, absl::Minutes(1));
      world_.universe().queue.After(random_.Between(absl::Seconds(1), absl::Seconds(6)),
                                    [stream = dialer->stream()] { stream->Break(); });
      return;
    }
  }
}

void Scenario::DisturbRedis() {
  SimRedis& redis = world_.redis();
  const auto note_loss = [this](const char* what) {
    world_.universe().Note(what);
    world_.history().memory_losses.push_back(world_.universe().queue.now());
  };
  switch (random_.Below(4)) {
    case 0: note_loss("Redis is flushed"); return redis.Flush();
    case 1: {  // Fails over to a replica that lags.
      redis.KeepCopy();
      world_.universe().queue.After(random_.Between(absl::Milliseconds(50), absl::Seconds(3)), [this, note_loss] {
        note_loss("Redis goes back");
        world_.redis().GoBack();
      });
      return;
    }
    default:
      redis.SetUp(false);
      world_.universe().queue.After(random_.Between(absl::Milliseconds(50), absl::Seconds(5)),
                                    [this] { world_.redis().SetUp(true); });
  }
}

void Scenario::DisturbDevices() {
  SimDevice& device = AnyDevice();
  switch (random_.Below(5)) {
    case 0: return device.GoOffline(random_.Chance(500));
    case 1: return device.Roam();
    case 2: {
      SimEdge& edge = world_.edge(static_cast<int>(random_.Below(static_cast<uint64_t>(world_.options().edges))));
      return edge.BlockSocket(random_.Below(1'000), random_.Between(absl::Milliseconds(10), absl::Seconds(5)));
    }
    default: device.GoOnline();
  }
}

// The wall clock of a scheduler or hub is set wrong. Those of edges, twin and dispatchers are taken for right: permits
// and the age of a process's memory are instants that they compare (docs/decisions/0004).
void Scenario::DisturbClocks() {
  Process* process = &world_.hub(static_cast<int>(random_.Below(static_cast<uint64_t>(world_.options().hubs))));
  if (random_.Chance(600)) {
    process = &world_.scheduler(static_cast<int>(random_.Below(static_cast<uint64_t>(world_.options().schedulers))));
  }
  world_.has_wrong_clock = true;
  world_.universe().Note("a clock jumps", kNoJob, kNoDevice, process->index());
  process->clock().SetSkew(random_.Chance(500) ? kJump : -kJump);
}

}  // namespace fleetcast::sim
