#include "services/job_api/watch_hub.h"

#include <algorithm>
#include <utility>

namespace fleetcast::job_api {
WatchHub::WatchHub(Clock& clock, ReadJob read, telemetry::Metrics& metrics, absl::Duration turn)
    : clock_(clock),
      read_(std::move(read)),
      turn_(turn),
      watchers_(metrics.NewGauge("fleetcast_job_watchers", "Open WatchJob streams")),
      thread_([this](std::stop_token stop) { Loop(stop); }) {}

WatchHub::~WatchHub() { Stop(); }

void WatchHub::Stop() {
  {
    MutexLock lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
  }
  thread_.request_stop();
  thread_.join();
  const auto end = [](const std::map<std::string, Entries>& all) {
    for (const auto& [job_id, entries] : all) {
      for (const Entry& entry : entries) entry.watcher->OnEnd(absl::UnavailableError("job_api stops; watch again"));
    }
  };
  end(std::exchange(watched_, {}));
  MutexLock lock(mutex_);
  end(std::exchange(arrivals_, {}));
}

absl::Status WatchHub::Watch(Request request) {
  if (request.resume_token.size() > kResumeTokenBytesMax) request.resume_token.clear();
  {
    MutexLock lock(mutex_);
    if (stopped_) return absl::UnavailableError("job_api stops; watch again");
    if (count_ >= kWatchersMax) return absl::ResourceExhaustedError("too many watches are open");
    ++count_;
    arrivals_[request.job_id].push_back(
        {std::move(request.watcher), request.interval, std::move(request.resume_token)});
    watchers_.Set(static_cast<double>(count_));
  }
  arrived_.notify_one();
  return absl::OkStatus();
}

void WatchHub::Loop(std::stop_token stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock<Mutex> lock(mutex_);
      const auto pause = watched_.empty() ? absl::Hours(1) : turn_;
      arrived_.wait_for(lock, stop, absl::ToChronoNanoseconds(pause), [this] { return !arrivals_.empty(); });
      for (auto& [job_id, entries] : arrivals_) {
        Entries& known = watched_[job_id];
        for (Entry& entry : entries) known.push_back(std::move(entry));
      }
      arrivals_.clear();
    }
    if (!stop.stop_requested()) Turn();
  }
}

void WatchHub::Turn() {
  size_t open = 0;
  size_t before = 0;
  for (auto job = watched_.begin(); job != watched_.end();) {
    before += job->second.size();
    Serve(job->first, job->second);
    open += job->second.size();
    job = job->second.empty() ? watched_.erase(job) : std::next(job);
  }
  MutexLock lock(mutex_);
  count_ -= before - open;
  watchers_.Set(static_cast<double>(count_));
}

void WatchHub::Serve(const std::string& job_id, Entries& entries) {
  // Whoever has resumed a watch of a job that stands still is never sent anything, so its end must be asked for.
  std::erase_if(entries, [](const Entry& entry) {
    if (!entry.watcher->is_gone()) return false;
    entry.watcher->OnEnd(absl::CancelledError("the watcher has gone"));
    return true;
  });
  const absl::Duration now = clock_.Monotonic();
  if (std::none_of(entries.begin(), entries.end(), [now](const Entry& entry) { return entry.IsDue(now); })) return;
  absl::StatusOr<jobs::v1::Job> job = read_(job_id);
  if (!job.ok() && !absl::IsNotFound(job.status())) return;  // The database is away: the next turn tries again.
  if (!job.ok()) {
    for (const Entry& entry : entries) entry.watcher->OnEnd(job.status());
    entries.clear();
    return;
  }
  const WatchView view(*std::move(job));
  std::erase_if(entries, [&](Entry& entry) { return !ServeOne(view, now, entry); });
}

bool WatchHub::ServeOne(const WatchView& view, absl::Duration now, Entry& entry) {
  const bool is_due = entry.IsDue(now) || (view.is_over() && now - entry.last_turn >= turn_);
  if (!is_due) return true;
  if (const jobs::v1::WatchJobResponse* message = view.MessageFor(entry.seen); message != nullptr) {
    switch (entry.watcher->OnMessage(*message)) {
      case Watcher::Answer::kTaken: entry.seen = view.token(); break;
      case Watcher::Answer::kBusy: return true;  // Still due: the next turn offers what is new by then.
      case Watcher::Answer::kGone: entry.watcher->OnEnd(absl::CancelledError("the watcher has gone")); return false;
    }
  }
  entry.last_turn = now;
  if (view.is_over()) entry.watcher->OnEnd(absl::OkStatus());
  return !view.is_over();
}

}  // namespace fleetcast::job_api
