// The part of PendingCalls that serves schedulers: calls of jobs, their kept ends, and watches.
#include <algorithm>

#include "services/method_dispatch/pending_calls.h"

namespace fleetcast::method_dispatch {
namespace {

pb::NotSent NotSentBecause(pb::NotSentReason reason) {
  pb::NotSent not_sent;
  not_sent.set_reason(reason);
  return not_sent;
}

size_t BytesOf(const CallOutcome& outcome) {
  const auto* answer = std::get_if<pb::Answer>(&outcome);
  return answer == nullptr ? 0 : answer->payload().size();
}

}  // namespace

void PendingCalls::StartJobCall(const Now& now, SchedulerStream stream, const JobBatch& batch, JobTarget target,
                                Actions& actions) {
  const ExecutionKey key = {batch.job_seq, target.position, target.attempt};
  if (jobs_.contains(key) || result_by_key_.contains(key)) {
    Recover(stream, key, actions);
    actions.recovered.pop_back();
    return;
  }
  const auto device = devices_.find(target.device_id);
  const bool busy = device != devices_.end() && device->second.calls >= limits_.calls_per_device_max;
  const bool full = calls_.size() >= limits_.calls_max || results_.size() >= limits_.results_max ||
                    result_bytes_ >= limits_.result_bytes_max;
  // A permit of a clock that is ahead outlives what its scheduler believes: by then another one may have taken over.
  const bool is_wrong = batch.permit_expire > now.wall + limits_.job_permit_max;
  const bool late = is_wrong || now.wall >= batch.permit_expire;
  if (busy || full || late) {
    if (!late) ++counts_.refused_calls;
    actions.events.push_back({stream, key,
                              NotSentBecause(late   ? pb::NOT_SENT_REASON_PERMIT_EXPIRED
                                             : busy ? pb::NOT_SENT_REASON_BUSY
                                                    : pb::NOT_SENT_REASON_OVERLOADED)});
    return;
  }
  auto call = std::make_unique<PendingCall>();
  call->device_id = std::move(target.device_id);
  call->owner = JobOwner{.key = key, .stream = stream, .response_timeout = batch.response_timeout, .issued = now.wall};
  const std::string& device_id = call->device_id;
  // Until SENT says when it was written, the latest possible moment counts.
  const absl::Time answer_deadline = batch.permit_expire + batch.response_timeout;
  PendingCall& inserted = *call;
  const CallId id = Insert(std::move(call));
  jobs_[key] = id;
  SetDeadline(id, inserted, now.monotonic + std::max(answer_deadline - now.wall, absl::ZeroDuration()));
  actions.deliver.push_back({.call = id,
                             .device_id = device_id,
                             .request = batch.request,
                             .permit_expire = batch.permit_expire,
                             .answer_deadline = answer_deadline});
}

void PendingCalls::Recover(SchedulerStream stream, const ExecutionKey& key, Actions& actions) {
  if (const auto kept = result_by_key_.find(key); kept != result_by_key_.end()) {
    actions.recovered.push_back({key, Actions::Knowledge::kFinished});
    actions.events.push_back({stream, key, kept->second->outcome});
    return;
  }
  const auto pending = jobs_.find(key);
  if (pending == jobs_.end()) {
    actions.recovered.push_back({key, Actions::Knowledge::kNotSeen});
    return;
  }
  PendingCall& call = *calls_[pending->second];
  std::get<JobOwner>(call.owner).stream = stream;
  actions.recovered.push_back({key, Actions::Knowledge::kPending});
  if (call.phase == CallPhase::kSent) {
    pb::Sent sent;
    sent.set_session_epoch(call.session_epoch);
    actions.events.push_back({stream, key, std::move(sent)});
  }
}

void PendingCalls::Acknowledge(const ExecutionKey& key, Actions& actions) {
  const auto kept = result_by_key_.find(key);
  if (kept == result_by_key_.end()) return;
  if (kept->second->waiting.has_value()) actions.taken.push_back(*kept->second->waiting);
  DropResult(kept->second);
}

void PendingCalls::OnSchedulerGone(SchedulerStream stream, Actions& actions) {
  for (auto& [key, id] : jobs_) {
    JobOwner& job = std::get<JobOwner>(calls_[id]->owner);
    if (job.stream == stream) job.stream = 0;
  }
  for (const std::string& device_id : watchers_.DevicesOf(stream)) Unwatch(stream, device_id, actions);
}

void PendingCalls::Watch(SchedulerStream stream, const std::string& device_id, Actions& actions) {
  const bool watched = IsWatched(device_id);
  const bool is_full = !watched && watched_devices_ >= limits_.watched_devices_max;
  if (is_full || device_id.size() > WatcherTable::kIdBytesMax) {
    ++counts_.refused_watches;
    actions.watch_refused.emplace_back(stream, device_id);
    return;
  }
  watchers_.Add(device_id, stream);
  if (!watched) ++watched_devices_;
  // Asked again also when it is watched already: the answer may have been on its way while the device came and went.
  actions.watch.push_back(device_id);
}

void PendingCalls::Unwatch(SchedulerStream stream, const std::string& device_id, Actions& actions) {
  if (watchers_.Remove(device_id, stream)) UnwatchIfIdle(device_id, true, actions);
}

void PendingCalls::OnWatchRefused(const std::string& device_id, Actions& actions) {
  const std::vector<SchedulerStream> watchers = watchers_.Take(device_id);
  if (watchers.empty()) return;
  ++counts_.refused_watches;
  for (const SchedulerStream stream : watchers) actions.watch_refused.emplace_back(stream, device_id);
  UnwatchIfIdle(device_id, true, actions);
}

std::vector<std::string> PendingCalls::WatchedDevices() const {
  std::vector<std::string> watched = watchers_.Devices();
  for (const auto& [device_id, device] : devices_) {
    if (!device.waiting.empty() && !watchers_.contains(device_id)) watched.push_back(device_id);
  }
  std::sort(watched.begin(), watched.end());
  return watched;
}

void PendingCalls::FinishJob(const Now& now, Calls::iterator position, CallOutcome outcome, const Waiting& waiting,
                             Actions& actions) {
  const JobOwner job = std::get<JobOwner>(position->second->owner);
  // NOT_SENT is not kept: that this process has not seen the key is the same proof, and the key may be issued again.
  if (!std::holds_alternative<pb::NotSent>(outcome)) Keep(now, job, outcome, waiting);
  if (job.stream != 0) actions.events.push_back({job.stream, job.key, std::move(outcome)});
  Erase(position, actions);
}

void PendingCalls::Keep(const Now& now, const JobOwner& job, const CallOutcome& outcome, const Waiting& waiting) {
  while (!results_.empty() && results_.front().expire <= now.monotonic) {
    ++counts_.expired_results;
    memory_begin_ = std::max(memory_begin_, results_.front().issued);
    DropResult(results_.begin());
  }
  const size_t bytes = BytesOf(outcome);
  results_.push_back({.key = job.key,
                      .outcome = outcome,
                      .bytes = bytes,
                      .expire = now.monotonic + limits_.result_ttl,
                      .issued = job.issued,
                      .waiting = waiting});
  if (waiting.has_value()) untaken_.insert(waiting->call);
  result_bytes_ += bytes;
  result_by_key_[job.key] = std::prev(results_.end());
}

void PendingCalls::DropResult(std::list<Result>::iterator result) {
  result_bytes_ -= result->bytes;
  result_by_key_.erase(result->key);
  if (result->waiting.has_value()) untaken_.erase(result->waiting->call);
  results_.erase(result);
}

}  // namespace fleetcast::method_dispatch
