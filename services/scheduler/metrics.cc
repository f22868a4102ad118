#include "services/scheduler/metrics.h"

namespace fleetcast::scheduler {
namespace {

std::string_view KindName(job_store::ActionKind kind) {
  return kind == job_store::ActionKind::kInvokeMethod ? "method" : "twin";
}

std::string_view StateName(ExecutionState state) {
  switch (state) {
    case ExecutionState::kSucceeded: return "succeeded";
    case ExecutionState::kFailed: return "failed";
    case ExecutionState::kTimedOut: return "timed_out";
    case ExecutionState::kCanceled: return "canceled";
    case ExecutionState::kPending:
    case ExecutionState::kRunning: break;
  }
  return "unfinished";
}

}  // namespace

SchedulerMetrics::SchedulerMetrics(telemetry::Metrics& metrics)
    : operations(metrics.NewCounters("fleetcast_job_device_operations_total", "Targets that ended, by outcome",
                                     {"type", "outcome"})),
      schedule_lag(metrics.NewHistogram("fleetcast_job_schedule_lag_seconds", "From the due time of a job to its start",
                                        telemetry::WaitSeconds())),
      resolve_seconds(metrics.NewHistogram("fleetcast_job_resolve_seconds", "Time to freeze the targets of a job",
                                           telemetry::WaitSeconds())),
      record_batch(metrics.NewHistogram("fleetcast_job_record_batch_outcomes", "Outcomes recorded in one transaction",
                                        telemetry::BatchSizes())),
      issue_batch(metrics.NewHistogram("fleetcast_job_issue_batch_targets", "Targets sent in one sub-batch",
                                       telemetry::BatchSizes())),
      leases_lost(
          metrics.NewCounter("fleetcast_job_leases_lost_total", "Chunk leases lost to a cancel, expiry or peer")),
      retries(metrics.NewCounter("fleetcast_job_retries_total", "Calls that were tried again")),
      jobs_aborted(metrics.NewCounter("fleetcast_job_aborts_total", "Jobs cancelled by their abort criteria")),
      inquiries(metrics.NewCounter("fleetcast_job_inquiries_total", "Targets whose fate had to be asked for")),
      unmatched_events(metrics.NewCounter("fleetcast_job_unmatched_events_total", "Events of targets not held here")),
      store_failures(
          metrics.NewCounters("fleetcast_job_store_failures_total", "Store calls that failed", {"operation"})),
      partitions_created(metrics.NewCounter("fleetcast_job_partitions_created_total", "Days made ready in the tables")),
      partitions_dropped(metrics.NewCounter("fleetcast_job_partitions_dropped_total", "Days dropped with their jobs")),
      jobs_removed(metrics.NewCounter("fleetcast_job_removed_total", "Jobs removed after their retention")),
      default_partition_rows(
          metrics.NewGauge("fleetcast_job_default_partition_rows", "Rows outside of all days; always 0 unless broken")),
      chunks_leased(metrics.NewGauge("fleetcast_job_chunks_leased", "Chunks leased by this process")),
      targets_in_flight(metrics.NewGauge("fleetcast_job_device_operations_inflight", "Targets sent and not ended")),
      targets_waiting(metrics.NewGauge("fleetcast_job_devices_waiting", "Devices that are waited for")),
      outcomes_waiting(metrics.NewGauge("fleetcast_job_outcomes_waiting", "Outcomes not yet recorded")) {}

void SchedulerMetrics::CountOutcomes(job_store::ActionKind kind, ExecutionState state, int targets) {
  operations.With({KindName(kind), StateName(state)}).Add(targets);
}

}  // namespace fleetcast::scheduler
