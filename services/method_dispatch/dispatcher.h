// The core of pending calls with its clock, its lock and its streams.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/telemetry/metrics.h"
#include "services/method_dispatch/delivery_windows.h"
#include "services/method_dispatch/outlets.h"
#include "services/method_dispatch/pending_calls.h"
#include "services/method_dispatch/taken_answers.h"

namespace fleetcast::method_dispatch {

// Most calls in one message, and most devices to watch.
inline constexpr size_t kCallsPerMessageMax = 1'000;
inline constexpr size_t kWatchesPerMessageMax = 10'000;

// Feeds events to PendingCalls under one lock and carries out what it decides, in the order of its decisions: whoever
// decides while somebody else carries out leaves the work to him, so no stream sees an answer before its SENT.
// Thread-safe.
class Dispatcher {
 public:
  // How a direct call ended: OK with the device's answer, or an error. Called once, on any thread; must not block.
  using Reply = std::function<void(const absl::Status& status, const internal::v1::Answer& answer)>;

  Dispatcher(const PendingLimits& limits, int64_t scheduler_credit, Clock& clock, telemetry::Metrics& metrics);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // Direct calls. An error refuses the call; then `reply` is not called.
  absl::Status StartDirect(DirectCall call, Reply reply, DirectToken* token);
  // Nobody waits any more: `reply` is called with CANCELLED, unless it was called already.
  void AbandonDirect(DirectToken token);

  // Schedulers. The first message to it is the hello.
  SchedulerStream AddScheduler(std::shared_ptr<SchedulerOutlet> outlet);
  void OnSchedulerMessage(SchedulerStream stream, const internal::v1::DispatchRequest& request);
  void RemoveScheduler(SchedulerStream stream);

  // device_connections: one stream for each, which comes and goes. `outlet` must outlive this.
  size_t AddDelivery(DeliveryOutlet* outlet);
  void OnDeliveryUp(size_t index);
  // Takes the payloads out of `response`.
  void OnDeliveryMessage(size_t index, internal::v1::DeliverResponse&& response);
  void OnDeliveryDown(size_t index);

 private:
  struct Delivery {
    DeliveryOutlet* outlet = nullptr;
    bool up = false;
  };
  struct Sending {
    DeliveryOutlet* outlet = nullptr;
    std::vector<Actions::Deliver> calls;
  };

  // What was decided and is not carried out yet.
  struct Decisions {
    Actions actions;
    std::vector<std::pair<SchedulerStream, Actions::Recovered>> recovered;  // With the stream that asked.
  };
  struct Waiting {
    Reply reply;
    absl::Duration started;  // Monotonic.
  };

  Now NowOnBothClocks() const;
  // Carries out what gathered in actions_, unless somebody is at it already.
  void CarryOut() EXCLUDES(mutex_);
  void CarryOut(Decisions decisions);
  bool NothingDecided() const REQUIRES(mutex_);
  // Sends `deliveries`, and what waited before them, as far as there is credit.
  void SendDeliveries(std::vector<Actions::Deliver> deliveries);
  std::optional<Sending> NextSending();
  void RefuseUnsent(const std::vector<CallId>& calls) REQUIRES(mutex_);
  void SendWatches(std::span<const std::string> watch, std::span<const std::string> unwatch);
  // False: these devices are not watched there.
  static bool SendWatch(DeliveryOutlet& outlet, std::span<const std::string> watch,
                        std::span<const std::string> unwatch);
  void RefuseWatches(std::span<const std::string> device_ids) EXCLUDES(mutex_);
  void SendReplies(std::vector<Actions::Reply> replies);
  // Sends `taken`, and what waited before them, to where the answers came from.
  void SendTaken(const std::vector<WaitingAnswer>& taken);
  void SendToSchedulers(Decisions& decisions);
  void ExportCounts() REQUIRES(mutex_);
  void ReadBatch(const Now& now, SchedulerStream stream, const internal::v1::JobCallBatch& batch) REQUIRES(mutex_);
  void WatchTime(std::stop_token stop);
  // Monotonic: when WatchTime has to look again.
  absl::Duration NextLook() const REQUIRES(mutex_);

  Clock& clock_;
  const int64_t scheduler_credit_;
  const std::string boot_id_;

  mutable Mutex mutex_;
  CondVar deadline_changed_;
  PendingCalls calls_ GUARDED_BY(mutex_);
  Decisions decisions_ GUARDED_BY(mutex_);
  bool carrying_out_ GUARDED_BY(mutex_) = false;
  absl::Duration timer_at_ GUARDED_BY(mutex_) = absl::InfiniteDuration();
  absl::flat_hash_map<DirectToken, Waiting> waiting_ GUARDED_BY(mutex_);
  DirectToken next_token_ GUARDED_BY(mutex_) = 1;
  std::map<SchedulerStream, std::shared_ptr<SchedulerOutlet>> schedulers_ GUARDED_BY(mutex_);
  SchedulerStream next_stream_ GUARDED_BY(mutex_) = 1;
  std::vector<Delivery> deliveries_ GUARDED_BY(mutex_);
  DeliveryWindows windows_ GUARDED_BY(mutex_);
  TakenAnswers taken_ GUARDED_BY(mutex_);
  PendingCounts exported_ GUARDED_BY(mutex_);
  int64_t exported_untold_ GUARDED_BY(mutex_) = 0;

  telemetry::CounterFamily anomalies_;
  telemetry::HistogramFamily roundtrip_seconds_;
  std::vector<telemetry::GaugeReader> gauges_;
  std::jthread timer_;  // Last: it uses all of the above.
};

}  // namespace fleetcast::method_dispatch
