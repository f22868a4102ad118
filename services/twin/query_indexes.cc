#include "services/twin/query_indexes.h"

#include <utility>

#include "libs/telemetry/log.h"

namespace fleetcast::twin {
namespace {

constexpr absl::Duration kRetryPause = absl::Seconds(5);
constexpr absl::Duration kCancelPause = absl::Milliseconds(20);

}  // namespace

QueryIndexKeeper::QueryIndexKeeper(IndexStore& store, std::vector<QueryIndex> wanted, Clock& clock)
    : store_(store), wanted_(std::move(wanted)), clock_(clock), thread_([this](std::stop_token stop) { Run(stop); }) {}

QueryIndexKeeper::~QueryIndexKeeper() {
  thread_.request_stop();
  // Again and again: a statement may begin just after one was cancelled.
  while (!is_done_) {
    store_.Cancel();
    clock_.Sleep(kCancelPause, {});
  }
}

void QueryIndexKeeper::Run(std::stop_token stop) {
  while (!stop.stop_requested() && !TryOnce(stop)) clock_.Sleep(kRetryPause, stop);
  is_done_ = true;
}

bool QueryIndexKeeper::TryOnce(std::stop_token stop) {
  const absl::StatusOr<bool> is_locked = store_.TryLock();
  if (!is_locked.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Minutes(1), "query indexes cannot be looked at",
                        {{"error", is_locked.status().ToString()}});
    return false;
  }
  if (!*is_locked || stop.stop_requested()) return false;
  const absl::StatusOr<int> built = store_.Reconcile(wanted_, stop);
  store_.Unlock().IgnoreError();
  if (!built.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Minutes(1), "query indexes could not be built",
                        {{"error", built.status().ToString()}});
    return false;
  }
  if (*built > 0) FLEETCAST_LOG(kInfo, "query indexes built", {{"count", *built}});
  return true;
}

}  // namespace fleetcast::twin
