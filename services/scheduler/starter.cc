#include "services/scheduler/starter.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/trace.h"
#include "services/scheduler/store_retry.h"

namespace fleetcast::scheduler {
namespace {

using job_store::ResolveLease;

// True for errors that a repeat may cure: the database or the twin service is away.
bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status) ||
         absl::IsCancelled(status) || absl::IsUnknown(status) || absl::IsInternal(status);
}

// The words of the real service (query-language 7).
std::string ReasonOfBadCondition(const absl::Status& status) {
  return absl::StrCat("SQL query parse failed due to following errors: \n\t", status.message());
}

}  // namespace

Starter::Starter(const StarterOptions& options, job_store::JobStore& store, TargetSource& targets, Clock& clock,
                 SchedulerMetrics& metrics, std::function<void()> on_running)
    : options_(options),
      store_(store),
      targets_(targets),
      clock_(clock),
      metrics_(metrics),
      on_running_(std::move(on_running)) {}

Starter::~Starter() { Stop(); }

void Starter::Start() {
  for (int i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this](std::stop_token stop) { Loop(stop); });
  }
}

void Starter::Stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

void Starter::Hint() {
  {
    MutexLock lock(mutex_);
    wanted_ = std::min(wanted_ + 1, options_.threads);
  }
  changed_.notify_one();
}

void Starter::Loop(std::stop_token stop) {
  while (Wait(stop)) RunOnce(stop);
}

bool Starter::Wait(std::stop_token stop) {
  std::unique_lock<Mutex> lock(mutex_);
  while (!stop.stop_requested()) {
    const absl::Time now = clock_.Now();
    if (wanted_ > 0) {
      --wanted_;
      return true;
    }
    // One thread polls for all; a wall clock that jumped back must not put it to sleep.
    if (now >= next_poll_ || next_poll_ > now + options_.poll) {
      next_poll_ = now + options_.poll;
      return true;
    }
    changed_.wait_for(lock, stop, absl::ToChronoNanoseconds(next_poll_ - now), [this] { return wanted_ > 0; });
  }
  return false;
}

int Starter::RunOnce(std::stop_token stop) {
  Promote();
  int resolved = 0;
  while (!stop.stop_requested() && ResolveNext(stop)) ++resolved;
  return resolved;
}

void Starter::Promote() {
  const auto result = store_.PromoteDue(Deadline(), options_.promote_max);
  if (!result.ok()) {
    metrics_.store_failures.With({"promote"}).Add();
    FLEETCAST_LOG_EVERY(kWarning, kLogEvery, "cannot look for due jobs", {{"error", result.status()}});
    return;
  }
  if (!result->until_next.has_value()) return;
  MutexLock lock(mutex_);
  next_poll_ = std::min(next_poll_, clock_.Now() + *result->until_next);
}

bool Starter::ResolveNext(std::stop_token stop) {
  auto acquired = store_.AcquireResolve(Deadline(), options_.owner, options_.lease_ttl);
  if (!acquired.ok()) {
    metrics_.store_failures.With({"acquire_resolve"}).Add();
    FLEETCAST_LOG_EVERY(kWarning, kLogEvery, "cannot take a job to resolve", {{"error", acquired.status()}});
    return false;
  }
  if (!acquired->has_value()) return false;
  Hint();  // There may be more: another thread looks while this one is busy.
  ResolveLease lease = **std::move(acquired);
  const absl::Duration started = clock_.Monotonic();
  telemetry::Span span("resolve targets", {.root = true});
  span.SetAttribute("fleetcast.job_id", lease.job_id);
  const absl::Status status = Resolve(lease, stop);
  span.SetAttribute("fleetcast.targets", lease.target_count);
  span.SetStatus(status);
  if (status.ok()) {
    OnResolved(lease, started);
  } else if (!FailIfHopeless(lease, status)) {
    FLEETCAST_LOG(kWarning, "targets not frozen; whoever takes the lease next goes on",
                  {{"job_id", lease.job_id}, {"targets", lease.target_count}, {"error", status}});
  }
  return true;
}

bool Starter::FailIfHopeless(const ResolveLease& lease, const absl::Status& status) {
  std::string reason;
  if (GetReason(status) == reasons::kInvalidCondition) {
    reason = ReasonOfBadCondition(status);
  } else if (lease.retried.has_value() && GetReason(status) == reasons::kJobNotFound) {
    reason = absl::StrCat("The job whose devices were to be repeated is gone: ", lease.retried->job_id, ".");
  } else {
    return false;
  }
  const absl::Status failed = store_.FailJob(Deadline(), lease.job_id, reason);
  FLEETCAST_LOG(kInfo, "job failed", {{"job_id", lease.job_id}, {"reason", reason}, {"stored", failed}});
  return true;
}

absl::Status Starter::Resolve(ResolveLease& lease, std::stop_token stop) {
  absl::Status status;
  for (int attempt = 0; attempt < options_.tries; ++attempt) {
    status = StreamOnce(lease, stop);
    if (status.ok() || !IsPassing(status)) break;
    if (!clock_.Sleep(options_.retry_after, stop)) break;
  }
  FLEETCAST_RETURN_IF_ERROR(status);
  for (int attempt = 0; attempt < options_.tries; ++attempt) {
    status = store_.FinishResolve(Deadline(), lease);
    if (status.ok() || !IsPassing(status)) break;
    if (!clock_.Sleep(options_.retry_after, stop)) break;
  }
  return status;
}

absl::Status Starter::ReadRetried(ResolveLease& lease, std::stop_token stop) {
  job_store::ListRetriedTargetsRequest request;
  request.retried = *lease.retried;
  request.limit = options_.page_targets;
  while (!stop.stop_requested()) {
    request.after_device_id = lease.last_device_id;
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<std::string> page, store_.ListRetriedTargets(Deadline(), request));
    if (!page.empty()) FLEETCAST_RETURN_IF_ERROR(Append(lease, page, stop));
    if (static_cast<int>(page.size()) < request.limit) return absl::OkStatus();
  }
  return absl::CancelledError("stopping");
}

absl::Status Starter::StreamOnce(ResolveLease& lease, std::stop_token stop) {
  if (lease.retried.has_value()) return ReadRetried(lease, stop);
  std::vector<std::string> waiting;
  const size_t page_max = static_cast<size_t>(options_.page_targets);
  const absl::Status status = targets_.StreamTargets(
      lease.condition, lease.last_device_id, stop, [&](std::vector<std::string> page) -> absl::Status {
        if (stop.stop_requested()) return absl::CancelledError("stopping");
        waiting.insert(waiting.end(), std::make_move_iterator(page.begin()), std::make_move_iterator(page.end()));
        size_t stored = 0;
        while (waiting.size() - stored >= page_max) {  // Only whole pages, so that chunks are full.
          FLEETCAST_RETURN_IF_ERROR(Append(lease, std::span(waiting).subspan(stored, page_max), stop));
          stored += page_max;
        }
        waiting.erase(waiting.begin(), waiting.begin() + static_cast<ptrdiff_t>(stored));
        return absl::OkStatus();
      });
  FLEETCAST_RETURN_IF_ERROR(status);
  if (waiting.empty()) return absl::OkStatus();
  return Append(lease, waiting, stop);
}

absl::Status Starter::Append(ResolveLease& lease, std::span<const std::string> device_ids, std::stop_token stop) {
  absl::Status status;
  for (int attempt = 0; attempt < options_.tries; ++attempt) {
    status = store_.AppendTargets(Deadline(), lease, device_ids, options_.lease_ttl);
    if (status.ok() || !IsPassing(status)) return status;
    if (!clock_.Sleep(options_.retry_after, stop)) return status;
  }
  return status;
}

void Starter::OnResolved(const ResolveLease& lease, absl::Duration started) {
  metrics_.resolve_seconds.Observe(absl::ToDoubleSeconds(clock_.Monotonic() - started));
  FLEETCAST_LOG(kInfo, "job is running", {{"job_id", lease.job_id}, {"targets", lease.target_count}});
  on_running_();
  const auto job = store_.GetJob(Deadline(), lease.job_id);
  if (!job.ok() || !job->started_time.has_value()) return;
  const absl::Time due = std::max(job->create_time, job->spec.start_time.value_or(absl::InfinitePast()));
  metrics_.schedule_lag.Observe(std::max(0.0, absl::ToDoubleSeconds(*job->started_time - due)));
}

}  // namespace fleetcast::scheduler
