// What the scheduler counts.
#pragma once

#include "libs/job_store/job.h"
#include "libs/telemetry/metrics.h"

namespace fleetcast::scheduler {

// Handles; made once, used by the engine's thread and the starter's.
struct SchedulerMetrics {
  explicit SchedulerMetrics(telemetry::Metrics& metrics);

  // One target of a job of `kind` ended in `state`; counted when recorded.
  void CountOutcomes(job_store::ActionKind kind, ExecutionState state, int targets);

  telemetry::CounterFamily operations;   // By kind and outcome.
  telemetry::Histogram schedule_lag;     // From the due time to the start.
  telemetry::Histogram resolve_seconds;  // From the start to the frozen target set.
  telemetry::Histogram record_batch;     // Outcomes of one transaction.
  telemetry::Histogram issue_batch;      // Targets of one sub-batch.
  telemetry::Counter leases_lost;
  telemetry::Counter retries;               // Targets that were begun to be tried again.
  telemetry::Counter jobs_aborted;          // Cancelled by their abort criteria.
  telemetry::Counter inquiries;             // Targets asked about after a crash or a broken stream.
  telemetry::Counter unmatched_events;      // Events of targets that we do not hold.
  telemetry::CounterFamily store_failures;  // By operation.
  telemetry::Counter partitions_created;
  telemetry::Counter partitions_dropped;
  telemetry::Counter jobs_removed;          // Whose retention was over.
  telemetry::Gauge default_partition_rows;  // Not 0: clocks or upkeep are broken.
  telemetry::Gauge chunks_leased;
  telemetry::Gauge targets_in_flight;
  telemetry::Gauge targets_waiting;   // For their device to connect.
  telemetry::Gauge outcomes_waiting;  // To be recorded.
};

}  // namespace fleetcast::scheduler
