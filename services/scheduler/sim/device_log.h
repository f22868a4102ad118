// What the devices of a simulated hub have seen of a job.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>

#include "services/scheduler/sim/sim_world.h"

namespace fleetcast::scheduler::sim {

// Most requests of the job that devices had unanswered at once, from `since` on (J12).
inline int MostInFlight(SimWorld& world, const job_store::Job& job, absl::Time since = absl::InfinitePast()) {
  int now = 0;
  int most = 0;
  for (const SimFleet::LogEntry& entry : world.fleet().log()) {
    if (entry.job_seq != job.seq) continue;
    now += entry.change;
    if (entry.when >= since) most = std::max(most, now);
  }
  return most;
}

// Most requests of the job that devices got within `span`.
inline int MostStarts(SimWorld& world, const job_store::Job& job, absl::Duration span,
                      absl::Time since = absl::InfinitePast()) {
  std::deque<absl::Time> starts;
  size_t most = 0;
  for (const SimFleet::LogEntry& entry : world.fleet().log()) {
    if (entry.job_seq != job.seq || entry.change < 0 || entry.when < since) continue;
    starts.push_back(entry.when);
    while (starts.front() + span < entry.when) starts.pop_front();
    most = std::max(most, starts.size());
  }
  return static_cast<int>(most);
}

inline int Calls(SimWorld& world, const job_store::Job& job) {
  int calls = 0;
  for (auto& [id, device] : world.fleet().devices()) calls += device.calls[job.seq];
  return calls;
}

inline void EachDevice(SimWorld& world, const std::function<void(SimDevice&)>& change) {
  for (auto& [id, device] : world.fleet().devices()) change(device);
}

}  // namespace fleetcast::scheduler::sim
