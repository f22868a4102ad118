#include "services/scheduler/planner.h"

#include <algorithm>

namespace fleetcast::scheduler {

int QuantumOf(int priority, int turn_max) {
  const int steps = std::clamp(priority, 1, kPriorityMax) - kPriorityDefault;
  return steps >= 0 ? turn_max << steps : turn_max >> -steps;
}

void Planner::SetReady(int64_t job_seq, int ready) {
  if (ready == 0 && !jobs_.contains(job_seq)) return;
  Job& job = jobs_[job_seq];
  job.ready = ready;
  if (ready == 0 || job.in_round) return;
  job.in_round = true;
  round_.push_back(job_seq);
}

void Planner::SetPriority(int64_t job_seq, int priority) { jobs_[job_seq].priority = priority; }

void Planner::SetPace(int64_t job_seq, std::optional<int> allowed) { jobs_[job_seq].pace = allowed; }

void Planner::Forget(int64_t job_seq) { jobs_.erase(job_seq); }

void Planner::Released(int64_t job_seq, int targets) {
  const auto found = jobs_.find(job_seq);
  if (found != jobs_.end()) found->second.in_flight = std::max<int64_t>(0, found->second.in_flight - targets);
}

int64_t Planner::in_flight(int64_t job_seq) const {
  const auto found = jobs_.find(job_seq);
  return found == jobs_.end() ? 0 : found->second.in_flight;
}

std::optional<Turn> Planner::Next(int64_t free) {
  for (size_t looked = 0, count = round_.size(); looked < count && free > 0; ++looked) {
    const int64_t job_seq = round_.front();
    round_.pop_front();
    const auto found = jobs_.find(job_seq);
    if (found == jobs_.end()) continue;
    Job& job = found->second;
    if (job.ready == 0) {
      job.in_round = false;
      job.deficit = 0;
      continue;
    }
    const int pace = job.pace.value_or(turn_max_);
    if (pace <= 0 || !MayTakeMore(job.in_flight, free)) {
      round_.push_back(job_seq);  // Its turn comes with time, or when calls end.
      continue;
    }
    if (job.deficit <= 0) job.deficit += QuantumOf(job.priority, turn_max_);
    const int targets = static_cast<int>(std::min<int64_t>({job.deficit, job.ready, free, pace, turn_max_}));
    job.deficit -= targets;
    job.ready -= targets;
    if (job.pace.has_value()) *job.pace -= targets;
    job.in_round = job.ready > 0;
    if (!job.in_round) {
      job.deficit = 0;
    } else if (job.deficit > 0) {
      round_.push_front(job_seq);  // The credit ended the turn, or its size; not the job.
    } else {
      round_.push_back(job_seq);
    }
    return Turn{job_seq, targets};
  }
  return std::nullopt;
}

}  // namespace fleetcast::scheduler
