#include "tools/fleetcast/dev/supervisor.h"

#include <algorithm>

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace fleetcast::dev {
namespace {

constexpr absl::Duration kStartLimit = absl::Seconds(60);  // For one child to become ready.
constexpr absl::Duration kProbeInterval = absl::Milliseconds(20);
constexpr int kLogLines = 20;

}  // namespace

absl::Duration RestartPolicy::AfterDeath(absl::Duration lived) {
  if (lived >= kForgiven) deaths_ = 0;
  const absl::Duration wait = std::min(kMost, kFirst * (int64_t{1} << std::min(deaths_, 10)));
  ++deaths_;
  return wait;
}

Supervisor::Supervisor(Clock& clock, Events events) : clock_(clock), events_(std::move(events)) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGCHLD, SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

Supervisor::~Supervisor() {
  Stop();
  close(signal_fd_);
}

absl::Status Supervisor::Start(std::vector<ChildSpec> children) {
  for (ChildSpec& spec : children) {
    Child child;
    child.spec = std::move(spec);
    children_.push_back(std::move(child));
  }
  for (Child& child : children_) {
    FLEETCAST_RETURN_IF_ERROR(StartChild(child));
    FLEETCAST_RETURN_IF_ERROR(events_.ready(child.spec.name));
  }
  keep_running_ = true;
  // Whoever died while others started.
  for (Child& child : children_) {
    if (child.pid == 0) child.restart_at = clock_.Monotonic();
  }
  return absl::OkStatus();
}

absl::Status Supervisor::StartChild(Child& child) {
  if (stop_signals_ > 0) return absl::CancelledError("stopped");
  FLEETCAST_ASSIGN_OR_RETURN(child.pid, Spawn(child.spec));
  child.started = clock_.Monotonic();
  while (!child.spec.is_ready()) {
    WaitForSignal(kProbeInterval);
    if (stop_signals_ > 0) return absl::CancelledError("stopped");
    std::string problem;
    if (child.pid == 0) {
      problem = absl::StrCat("ended at once: ", DescribeExit(child.exit_status));
    } else if (clock_.Monotonic() - child.started > kStartLimit) {
      problem = absl::StrCat("is not ready after ", absl::FormatDuration(kStartLimit));
    } else {
      continue;
    }
    return absl::UnavailableError(absl::StrCat(
        child.spec.name, " ", problem, "\n", TailOf(child.spec.log_file, kLogLines), "\nlog:   ", child.spec.log_file));
  }
  return absl::OkStatus();
}

void Supervisor::Run() {
  while (stop_signals_ == 0) {
    absl::Duration next = absl::InfiniteDuration();
    for (const Child& child : children_) next = std::min(next, child.restart_at);
    WaitForSignal(next - clock_.Monotonic());
    RestartDue();
  }
}

void Supervisor::RestartDue() {
  const absl::Duration now = clock_.Monotonic();
  bool changed = false;
  for (Child& child : children_) {
    if (child.restart_at > now || stop_signals_ > 0) continue;
    child.restart_at = absl::InfiniteDuration();
    const absl::StatusOr<pid_t> pid = Spawn(child.spec);
    child.started = now;
    if (!pid.ok()) {
      child.restart_at = now + child.policy.AfterDeath(absl::ZeroDuration());
      events_.say(std::string(pid.status().message()));
      continue;
    }
    child.pid = *pid;
    changed = true;
    events_.say(absl::StrCat(child.spec.name, " runs again (pid ", child.pid, ")"));
  }
  if (changed) events_.pids_changed();
}

void Supervisor::WaitForSignal(absl::Duration limit) {
  pollfd waited = {signal_fd_, POLLIN, 0};
  // Rounded up, so that a deadline has passed when we return for it. One that has passed already is no time at all: to
  // poll, less than that would mean for ever.
  constexpr int64_t kForever = -1;
  const int64_t milliseconds = std::clamp<int64_t>(absl::ToInt64Milliseconds(limit) + 1, 0, 60'000);
  poll(&waited, 1, static_cast<int>(limit == absl::InfiniteDuration() ? kForever : milliseconds));
  signalfd_siginfo signal;
  while (read(signal_fd_, &signal, sizeof(signal)) == sizeof(signal)) {
    if (signal.ssi_signo != SIGCHLD) ++stop_signals_;
  }
  Reap();
}

void Supervisor::Reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto found = std::find_if(children_.begin(), children_.end(), [&](const Child& c) { return c.pid == pid; });
    if (found == children_.end()) continue;
    Child& child = *found;
    child.pid = 0;
    child.exit_status = status;
    if (!keep_running_ || stop_signals_ > 0) continue;
    const absl::Duration now = clock_.Monotonic();
    const absl::Duration wait = child.policy.AfterDeath(now - child.started);
    child.restart_at = now + wait;
    events_.say(absl::StrCat(child.spec.name, " died (", DescribeExit(status), "); starts again in ",
                             absl::FormatDuration(wait)));
  }
}

void Supervisor::Stop() {
  keep_running_ = false;
  for (auto child = children_.rbegin(); child != children_.rend(); ++child) StopChild(*child);
}

void Supervisor::StopChild(Child& child) {
  child.restart_at = absl::InfiniteDuration();
  if (child.pid == 0) return;
  const int signals_before = stop_signals_;
  const absl::Duration deadline = clock_.Monotonic() + child.spec.patience;
  kill(child.pid, child.spec.stop_signal);
  bool killed = false;
  while (child.pid != 0) {
    WaitForSignal(kProbeInterval);
    if (killed || child.pid == 0) continue;
    if (clock_.Monotonic() < deadline && stop_signals_ <= std::max(signals_before, 1)) continue;
    events_.say(absl::StrCat(child.spec.name, " does not stop: killed"));
    kill(child.pid, SIGKILL);
    killed = true;
  }
}

std::vector<std::pair<std::string, pid_t>> Supervisor::pids() const {
  std::vector<std::pair<std::string, pid_t>> pids;
  for (const Child& child : children_) {
    if (child.pid != 0) pids.emplace_back(child.spec.name, child.pid);
  }
  return pids;
}

}  // namespace fleetcast::dev
