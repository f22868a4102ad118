// A method_dispatch: the real core of pending calls between played streams.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/method_dispatch/pending_calls.h"
#include "services/scheduler/effects.h"
#include "tests/sim/stream.h"

namespace fleetcast::sim {

class World;
class SimScheduler;
class SimHub;

class SimDispatcher final : public Process {
 public:
  struct Batch {
    int64_t job_seq = 0;
    std::string method;
    std::string payload;
    absl::Duration response_timeout;
    absl::Time permit_end;
    std::vector<method_dispatch::JobTarget> targets;
  };

  SimDispatcher(World& world, int index);

  // Called once all hubs exist.
  void AddHubs();
  const std::vector<std::unique_ptr<Dialer>>& dialers() const { return dialers_; }

  // From schedulers.
  void AcceptScheduler(SimScheduler& scheduler, const std::shared_ptr<Stream>& stream);
  void OnBatch(const Stream* stream, const Batch& batch);
  void OnAsked(const Stream* stream, const std::vector<scheduler::TargetName>& names);
  void OnAcknowledged(const std::vector<scheduler::TargetName>& names);
  void OnWatch(const Stream* stream, const std::vector<std::string>& watch, const std::vector<std::string>& unwatch);

  // From hubs.
  void OnDelivered(std::vector<internal::v1::DeliverEvent> events);
  void OnReady(const std::vector<std::string>& device_ids);

  // From an application: `done` is called in this process, once.
  using Done = std::function<void(const absl::Status& status, const internal::v1::Answer& answer)>;
  void Invoke(method_dispatch::DirectCall call, Done done);

 private:
  using Actions = method_dispatch::Actions;
  struct SchedulerSide {
    SimScheduler* scheduler = nullptr;
    std::shared_ptr<Stream> stream;
  };

  void OnStart() override;
  void OnKill() override;
  method_dispatch::Now Moment() { return {clock().Monotonic(), clock().Now()}; }
  method_dispatch::SchedulerStream NumberOf(const Stream* stream) const;
  void OnHubUp(SimHub& hub, const std::shared_ptr<Stream>& stream);
  // What the core decided, in the order of the real owner.
  void CarryOut();
  void SendDeliveries(std::vector<Actions::Deliver> deliveries);
  void SendWatches(std::vector<std::string> watch, std::vector<std::string> unwatch);
  void SendToSchedulers(Actions& actions);
  void SetTimer();

  World& world_;
  std::unique_ptr<method_dispatch::PendingCalls> calls_;
  Actions actions_;
  method_dispatch::SchedulerStream asker_ = 0;  // Whom `recovered` is for.
  std::map<method_dispatch::SchedulerStream, SchedulerSide> schedulers_;
  std::map<method_dispatch::DirectToken, Done> waiting_;
  uint64_t last_number_ = 0;
  std::vector<std::unique_ptr<Dialer>> dialers_;  // To hubs, by index.
  size_t next_hub_ = 0;
  absl::Duration timer_at_ = absl::InfiniteDuration();
  bool is_carrying_out_ = false;
};

}  // namespace fleetcast::sim
