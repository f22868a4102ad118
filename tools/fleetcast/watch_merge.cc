#include "tools/fleetcast/watch_merge.h"

namespace fleetcast::cli {
namespace {

// A delta has all the parts that change: one that is unset there is unset in the job.
void MergeDelta(const jobs::v1::JobDelta& delta, jobs::v1::Job& job) {
  job.set_state(delta.state());
  job.set_failure_reason(delta.failure_reason());
  job.set_etag(delta.etag());
  job.clear_statistics();
  job.clear_actual_start_time();
  job.clear_end_time();
  job.clear_pause_time();
  if (delta.has_statistics()) *job.mutable_statistics() = delta.statistics();
  if (delta.has_actual_start_time()) *job.mutable_actual_start_time() = delta.actual_start_time();
  if (delta.has_end_time()) *job.mutable_end_time() = delta.end_time();
  if (delta.has_pause_time()) *job.mutable_pause_time() = delta.pause_time();
}

}  // namespace

void Merge(const jobs::v1::WatchJobResponse& message, jobs::v1::Job& job) {
  if (message.has_job()) job = message.job();
  if (message.has_delta()) MergeDelta(message.delta(), job);
}

}  // namespace fleetcast::cli
