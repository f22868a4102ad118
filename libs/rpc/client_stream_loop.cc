#include "libs/rpc/client_stream_loop.h"

#include <utility>

#include "libs/base/clock.h"
#include "libs/base/random.h"

namespace fleetcast::rpc {

ClientStreamLoop::ClientStreamLoop(ClientStreamOptions options, MakeAttempt make_attempt)
    : options_(std::move(options)), make_attempt_(std::move(make_attempt)) {}

ClientStreamLoop::~ClientStreamLoop() { Stop(absl::ZeroDuration()); }

void ClientStreamLoop::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
}

void ClientStreamLoop::Stop(absl::Duration limit) {
  {
    MutexLock lock(mutex_);
    stop_limit_ = limit;
  }
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void ClientStreamLoop::CancelAttempt() {
  std::shared_ptr<ClientAttempt> attempt;
  {
    MutexLock lock(mutex_);
    attempt = attempt_;
  }
  if (attempt != nullptr) attempt->Cancel();
}

void ClientStreamLoop::OnConnected() {
  FLEETCAST_LOG(kInfo, "stream connected", {{"peer", options_.peer}});
  MutexLock lock(mutex_);
  connected_at_ = SystemClock().Monotonic();
  changed_.notify_all();
}

void ClientStreamLoop::OnDone(const absl::Status& status) {
  MutexLock lock(mutex_);
  done_ = status;
  changed_.notify_all();  // Under the lock: afterwards this object may be gone.
}

void ClientStreamLoop::Run(std::stop_token stop) {
  int failures = 0;
  while (!stop.stop_requested()) {
    const absl::Duration stood = RunAttempt(stop);
    failures = stood >= options_.stable_after ? 0 : failures + 1;
    const absl::Duration pause = Backoff(SystemRandom(), failures, options_.backoff_first, options_.backoff_max);
    if (!SystemClock().Sleep(pause, stop)) return;
  }
}

absl::Duration ClientStreamLoop::RunAttempt(std::stop_token stop) {
  std::shared_ptr<ClientAttempt> attempt = make_attempt_();
  {
    MutexLock lock(mutex_);
    attempt_ = attempt;
    connected_at_.reset();
    done_.reset();
  }
  attempt->Start();
  WaitUntilDone(stop, *attempt);

  MutexLock lock(mutex_);
  attempt_.reset();
  const absl::Duration stood =
      connected_at_.has_value() ? SystemClock().Monotonic() - *connected_at_ : absl::ZeroDuration();
  if (stop.stop_requested()) return stood;
  if (connected_at_.has_value()) {
    FLEETCAST_LOG(kWarning, "stream lost", {{"peer", options_.peer}, {"error", *done_}, {"stood", stood}});
  } else if (const auto held_back = failure_log_.Pass(absl::Seconds(10)); held_back.has_value()) {
    telemetry::LogHeldBack(telemetry::LogLevel::kWarning, *held_back, "stream cannot connect",
                           {{"peer", options_.peer}, {"error", *done_}});
  }
  return stood;
}

void ClientStreamLoop::WaitUntilDone(std::stop_token stop, ClientAttempt& attempt) {
  std::unique_lock<Mutex> lock(mutex_);
  const auto is_done = [this] { return done_.has_value(); };
  const auto is_decided = [this] { return done_.has_value() || connected_at_.has_value(); };
  changed_.wait_for(lock, stop, absl::ToChronoNanoseconds(options_.connect_timeout), is_decided);
  const bool stands = connected_at_.has_value();
  if (stands) changed_.wait(lock, stop, is_done);
  if (done_.has_value()) return;

  // Stopped, or never accepted.
  const absl::Duration limit = stop_limit_;
  lock.unlock();
  if (stands && limit > absl::ZeroDuration()) {
    attempt.CloseWrites();
    lock.lock();
    changed_.wait_for(lock, absl::ToChronoNanoseconds(limit), is_done);
    lock.unlock();
  }
  attempt.Cancel();
  lock.lock();
  changed_.wait(lock, is_done);
}

}  // namespace fleetcast::rpc
