// The scheduler's work on running jobs, driven by events: lease, issue, listen, record.
#pragma once

#include <span>
#include <string>

#include "services/scheduler/device_watch.h"
#include "services/scheduler/engine_context.h"
#include "services/scheduler/held_chunks.h"
#include "services/scheduler/issuer.h"
#include "services/scheduler/job_checker.h"
#include "services/scheduler/lease_keeper.h"
#include "services/scheduler/recorder.h"

namespace fleetcast::scheduler {

// Each On… function takes an event in; Pump then does everything that can be done now. Called by one thread; never
// blocks: store calls go through `executor`, messages through `effects`.
//
// All state of value is in the store: dropping an Engine at any moment and making a new one loses nothing and calls no
// device twice (rules J4, J5, M1). README.md tells how the parts work together.
class Engine {
 public:
  // How often Pump must be called while there is work.
  static constexpr absl::Duration kTick = absl::Milliseconds(10);

  // All arguments but the options outlive the engine and what it gave to `executor`.
  Engine(const EngineOptions& options, job_store::JobStore& store, StoreExecutor& executor, Effects& effects,
         Clock& clock, SchedulerMetrics& metrics);

  // A dispatcher has said hello on a new stream (or again on the same): it knows everything since `boot`.
  void OnDispatcherUp(int dispatcher, absl::Time boot);
  void OnDispatcherDown(int dispatcher);
  // How many calls it lets us have unfinished.
  void OnCredit(int dispatcher, int64_t credit);
  // Takes the payloads out of `events`.
  void OnCallEvents(int dispatcher, std::span<CallEvent> events);
  void OnKnowledge(int dispatcher, std::span<const TargetKnowledge> answers);
  void OnDevicesReady(std::span<const std::string> device_ids);
  // The dispatcher does not watch these: too many.
  void OnWatchRefused(std::span<const std::string> device_ids);

  void OnWriterUp(int writer);
  void OnWriterDown(int writer);
  void OnSliceResults(std::span<const SliceResult> results);

  // A job was created, frozen or cancelled: look at once.
  void OnHint() { leases_.OnHint(); }

  // Does everything that can be done now. After each event or group of events, and at least every kTick.
  void Pump();
  // Nothing is held and nothing waits: only polls and hints matter.
  bool idle() const { return chunks_.size() == 0 && recorder_.idle(); }

  // Chunks held.
  size_t chunks() const { return chunks_.size(); }

  // Orderly stop: nothing more is leased or issued; chunks are given back as soon as nothing of them is in flight.
  void BeginStop();
  // After BeginStop: all is recorded and given back.
  bool stopped() const { return context_.stopping && idle(); }
  // After BeginStop, when time is up: gives back what is left. The next owner asks what became of the calls in flight.
  void GiveUp();

 private:
  // Ticks of chunks are looked for so often.
  static constexpr absl::Duration kScan = absl::Milliseconds(10);

  void OnOrphan(int dispatcher, CallEvent& event);
  void OnRecorded(std::span<const job_store::Outcome> batch, const job_store::RecordResult& result);
  void AskAbout(HeldChunk& held, int dispatcher);
  void TickChunks();
  void ReportGauges();

  EngineContext context_;
  Recorder recorder_;
  DeviceWatch watch_;
  HeldChunks chunks_;
  Issuer issuer_;
  LeaseKeeper leases_;
  JobChecker checker_;
  absl::Duration next_scan_;
};

}  // namespace fleetcast::scheduler
