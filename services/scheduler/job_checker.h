// Asks the store how a job stands where the engine's own counts are not enough: before a job is stopped by its abort
// criteria, and when it is not known why a chunk was lost.
#pragma once

#include <vector>

#include "services/scheduler/engine_context.h"
#include "services/scheduler/held_chunks.h"

namespace fleetcast::scheduler {

class JobChecker {
 public:
  JobChecker(EngineContext& context, HeldChunks& chunks) : context_(context), chunks_(chunks) {}

  // Cancels jobs of which too many devices failed. The counts of the store decide; whoever leases the job next comes to
  // the same conclusion, so a crash in between changes nothing.
  void StopFailing();
  // Lets lost chunks know whether their jobs are over: then the end of the last attempt at each device is its outcome.
  void JudgeLost();

 private:
  void Check(int64_t job_seq, const std::string& job_id);
  void Cancel(int64_t job_seq, const std::string& job_id, const std::string& reason);
  void OnJudged(const job_store::ChunkKey& key, int64_t serial, const absl::StatusOr<job_store::Job>& job);

  EngineContext& context_;
  HeldChunks& chunks_;
  std::vector<job_store::ChunkKey> to_judge_;
  absl::Duration not_before_ = -absl::InfiniteDuration();
};

}  // namespace fleetcast::scheduler
