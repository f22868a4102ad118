#include "services/job_api/watch_hub.h"

#include <utility>

namespace fleetcast::job_api {
namespace {

bool IsOver(const jobs::v1::Job& job) {
  return job.state() == jobs::v1::Job::STATE_COMPLETED || job.state() == jobs::v1::Job::STATE_FAILED ||
         job.state() == jobs::v1::Job::STATE_CANCELLED;
}

}  // namespace

WatchHub::WatchHub(Clock& clock, ReadJob read, telemetry::Metrics& metrics)
    : clock_(clock),
      read_(std::move(read)),
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

absl::Status WatchHub::Watch(const std::string& job_id, absl::Duration interval, std::shared_ptr<Watcher> watcher) {
  {
    MutexLock lock(mutex_);
    if (stopped_) return absl::UnavailableError("job_api stops; watch again");
    if (count_ >= kWatchersMax) return absl::ResourceExhaustedError("too many watches are open");
    ++count_;
    arrivals_[job_id].push_back({std::move(watcher), interval, clock_.Monotonic(), nullptr});
    watchers_.Set(static_cast<double>(count_));
  }
  arrived_.notify_one();
  return absl::OkStatus();
}

void WatchHub::Loop(std::stop_token stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock<Mutex> lock(mutex_);
      const auto pause = watched_.empty() ? absl::Hours(1) : kWatchIntervalMin;
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
  const absl::Duration now = clock_.Monotonic();
  bool due = false;
  for (const Entry& entry : entries) due = due || entry.next <= now;
  if (!due) return;
  const absl::StatusOr<jobs::v1::Job> job = read_(job_id);
  if (!job.ok() && !absl::IsNotFound(job.status())) return;  // The database is away: the next turn tries again.
  if (!job.ok()) {
    for (const Entry& entry : entries) entry.watcher->OnEnd(job.status());
    entries.clear();
    return;
  }
  const auto bytes = std::make_shared<const std::string>(job->SerializeAsString());
  std::erase_if(entries, [&](Entry& entry) { return !ServeOne(*job, bytes, now, entry); });
}

bool WatchHub::ServeOne(const jobs::v1::Job& job, const std::shared_ptr<const std::string>& bytes, absl::Duration now,
                        Entry& entry) {
  const bool over = IsOver(job);
  if (entry.next > now && !over) return true;
  entry.next = now + entry.interval;
  if (entry.last_sent == nullptr || *entry.last_sent != *bytes) {
    switch (entry.watcher->OnJob(job)) {
      case Watcher::Answer::kTaken: entry.last_sent = bytes; break;
      case Watcher::Answer::kBusy: return true;
      case Watcher::Answer::kGone: entry.watcher->OnEnd(absl::CancelledError("the watcher has gone")); return false;
    }
  }
  if (over) entry.watcher->OnEnd(absl::OkStatus());
  return !over;
}

}  // namespace fleetcast::job_api
