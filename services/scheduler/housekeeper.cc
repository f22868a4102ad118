#include "services/scheduler/housekeeper.h"

#include "absl/strings/str_join.h"
#include "libs/telemetry/log.h"

namespace fleetcast::scheduler {

Housekeeper::Housekeeper(const HousekeeperOptions& options, job_store::JobStore& store, Clock& clock,
                         SchedulerMetrics& metrics)
    : options_(options), store_(store), clock_(clock), metrics_(metrics) {}

void Housekeeper::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Loop(stop); });
}

void Housekeeper::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Housekeeper::Loop(std::stop_token stop) {
  while (!stop.stop_requested()) {
    RunOnce();
    clock_.Sleep(options_.interval, stop);
  }
}

void Housekeeper::RunOnce() {
  const absl::StatusOr<job_store::MaintainResult> done =
      store_.Maintain(clock_.Now() + options_.round_limit, {.retention = options_.retention});
  if (!done.ok()) {
    metrics_.store_failures.With({"maintain"}).Add(1);
    FLEETCAST_LOG(kWarning, "upkeep failed", {{"error", done.status().ToString()}});
    return;
  }
  if (!done->is_leader) return;
  metrics_.partitions_created.Add(done->partitions_created);
  metrics_.partitions_dropped.Add(static_cast<double>(done->partitions_dropped.size()));
  metrics_.jobs_removed.Add(static_cast<double>(done->jobs_removed));
  metrics_.default_partition_rows.Set(static_cast<double>(done->default_partition_rows));
  for (const std::string& problem : done->problems) {
    metrics_.store_failures.With({"maintain"}).Add(1);
    FLEETCAST_LOG(kWarning, "upkeep left undone", {{"problem", problem}});
  }
  if (!done->partitions_dropped.empty()) {
    FLEETCAST_LOG(kInfo, "old jobs removed",
                  {{"partitions", absl::StrJoin(done->partitions_dropped, " ")}, {"jobs", done->jobs_removed}});
  }
  if (done->default_partition_rows > 0) {
    FLEETCAST_LOG(kError, "rows outside of the partitions of all days", {{"rows", done->default_partition_rows}});
  }
}

}  // namespace fleetcast::scheduler
