#include "tools/fleetsim/fleet.h"

#include <algorithm>
#include <csignal>
#include <cstdio>

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace fleetcast::fleetsim {
namespace {

constexpr absl::Duration kOpenLimit = absl::Seconds(30);  // TCP, TLS and CONNACK together.
constexpr absl::Duration kBackoffFirst = absl::Milliseconds(500);
constexpr absl::Duration kReportInterval = absl::Seconds(1);
constexpr absl::Duration kRoundPause = absl::Seconds(2);  // So that the end of one round is not counted in the next.
constexpr int kDevicesPerSource = 20'000;                 // Fits in the ports of one address.
constexpr size_t kReadBytes = 64 << 10;
constexpr int kEventsMax = 512;
constexpr uint64_t kSignalEvent = UINT64_MAX;

Profile MakeProfile(const Options& options) {
  Profile profile;
  profile.hub_name = options.hub_name.empty() ? options.host : options.hub_name;
  profile.clean_session = options.clean_session;
  profile.keep_alive = options.keep_alive;
  profile.token_lifetime = options.token_lifetime;
  profile.fail_share = options.method_fail_share;
  profile.ignore_share = options.method_ignore_share;
  profile.method_payload = options.method_payload;
  profile.apply_desired = options.apply_desired;
  profile.report_without_pause = options.report_without_pause;
  return profile;
}

}  // namespace

Fleet::Fleet(const Options& options, std::vector<Identity> identities, Surroundings& surroundings, Clock& clock,
             Random& random)
    : options_(options),
      surroundings_(surroundings),
      clock_(clock),
      random_(random),
      profile_(MakeProfile(options)),
      device_count_(identities.size()),
      connections_of_(identities.size()),
      buffer_(kReadBytes) {
  const bool is_restless = options.reconnect_every > absl::ZeroDuration();
  slots_.reserve(identities.size() * (is_restless ? 2 : 1));
  for (size_t i = 0; i < identities.size(); ++i) {
    slots_.emplace_back(profile_, static_cast<int64_t>(i), identities[i]);
    waiting_.push_back(static_cast<uint32_t>(i));
  }
  for (size_t i = 0; is_restless && i < identities.size(); ++i) {
    slots_.emplace_back(profile_, static_cast<int64_t>(i), std::move(identities[i])).is_active = false;
  }
  figures_.devices = static_cast<int64_t>(identities.size());
}

Fleet::~Fleet() {
  if (epoll_fd_ >= 0) close(epoll_fd_);
  if (signal_fd_ >= 0) close(signal_fd_);
}

absl::Status Fleet::SetUp() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  epoll_event event = {EPOLLIN, {.u64 = kSignalEvent}};
  if (epoll_fd_ < 0 || signal_fd_ < 0 || epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, signal_fd_, &event) != 0) {
    return absl::UnavailableError("cannot set up epoll");
  }
  now_ = started_ = allowance_time_ = round_started_ = clock_.Monotonic();
  rounds_left_ = options_.rounds;
  next_report_ = started_ + kReportInterval;
  return absl::OkStatus();
}

absl::Status Fleet::Run() {
  FLEETCAST_RETURN_IF_ERROR(SetUp());
  epoll_event events[kEventsMax];
  while (!stop_) {
    StartConnections();
    const absl::Duration wait = std::max(absl::ZeroDuration(), NextWake() - clock_.Monotonic());
    const int64_t milliseconds = absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1)));
    const int count = epoll_wait(epoll_fd_, events, kEventsMax, static_cast<int>(milliseconds));
    now_ = clock_.Monotonic();
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == kSignalEvent) {
        stop_ = true;
      } else {
        OnEvent(static_cast<uint32_t>(events[i].data.u64));
      }
    }
    RunTimers();
    SendDueAnswers();
    surroundings_.calls.Flush();
    surroundings_.packets.Flush();
    Report();
    if (options_.duration > absl::ZeroDuration() && now_ - started_ >= options_.duration) stop_ = true;
  }
  PrintEvent("summary", clock_.Monotonic() - started_, figures_);
  DisconnectAll();
  return absl::OkStatus();
}

absl::Duration Fleet::NextWake() const {
  absl::Duration next = next_report_;
  if (!timers_.empty()) next = std::min(next, timers_.top().at);
  if (!answers_.empty()) next = std::min(next, answers_.top().at);
  if (now_ < round_started_) {
    next = std::min(next, round_started_);
  } else if (!waiting_.empty() && figures_.connecting < options_.connecting_max && options_.connect_rate > 0) {
    next = std::min(next, now_ + absl::Seconds(std::max(0.0, 1 - connect_allowance_) / options_.connect_rate));
  }
  if (options_.duration > absl::ZeroDuration()) next = std::min(next, started_ + options_.duration);
  return next;
}

void Fleet::StartConnections() {
  // A token bucket that holds at most a tenth of a second's worth.
  const double rate = options_.connect_rate;
  const absl::Duration now = clock_.Monotonic();
  if (now < round_started_) return;
  connect_allowance_ =
      std::min(connect_allowance_ + absl::ToDoubleSeconds(now - allowance_time_) * rate, std::max(1.0, rate / 10));
  allowance_time_ = now;
  while (!waiting_.empty() && figures_.connecting < options_.connecting_max && (rate == 0 || connect_allowance_ >= 1)) {
    const uint32_t index = waiting_.front();
    waiting_.pop_front();
    connect_allowance_ -= 1;
    Open(index);
  }
}

void Fleet::Open(uint32_t index) {
  Slot& slot = slots_[index];
  ++figures_.connecting;
  slot.state = State::kOpening;
  slot.connection_number = ++connections_of_[index % device_count_];
  const Target& target = *surroundings_.targets[random_.Below(surroundings_.targets.size())];
  absl::StatusOr<std::unique_ptr<Connection>> connection =
      Connection::Open(target, static_cast<int>(index) / kDevicesPerSource, slot.tls_session.get());
  if (!connection.ok()) {
    problem_ = std::string(connection.status().message());
    Close(index, /*lost=*/true);
    return;
  }
  slot.connection = *std::move(connection);
  slot.connection->waited_for = EPOLLOUT;
  epoll_event event = {EPOLLOUT, {.u64 = index}};
  epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, slot.connection->fd(), &event);
  AddTimer(kOpenLimit, index, TimerKind::kOpenLimit);
}

void Fleet::OnEvent(uint32_t index) {
  Slot& slot = slots_[index];
  if (slot.connection == nullptr) return;
  if (slot.state != State::kOpening) {
    if (slot.out.empty()) slot.out.swap(spare_);
    ReadFrom(index);
    if (slot.connection != nullptr && !slot.out.empty()) Flush(index);
    KeepNoBuffer(slot);
    return;
  }
  switch (slot.connection->Continue()) {
    case Connection::Result::kDone: Opened(index); break;
    case Connection::Result::kWaitRead: Wait(index, EPOLLIN); break;
    case Connection::Result::kWaitWrite: Wait(index, EPOLLOUT); break;
    case Connection::Result::kFailed:
      problem_ = slot.connection->problem();
      Close(index, /*lost=*/true);
      break;
  }
}

void Fleet::Opened(uint32_t index) {
  Slot& slot = slots_[index];
  slot.state = State::kGreeting;
  slot.device.Connect(clock_.Now(), &slot.out);
  surroundings_.packets.Connection(Here(index), "connect");
  Flush(index);
}

void Fleet::Flush(uint32_t index) {
  Slot& slot = slots_[index];
  const Connection::Result result = slot.connection->Write(slot.out);
  if (result == Connection::Result::kFailed) {
    Close(index, /*lost=*/true);
    return;
  }
  KeepNoBuffer(slot);
  Wait(index, result == Connection::Result::kWaitWrite ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void Fleet::KeepNoBuffer(Slot& slot) {
  if (!slot.out.empty()) return;
  if (spare_.capacity() < slot.out.capacity()) slot.out.swap(spare_);
  std::string().swap(slot.out);
}

void Fleet::Wait(uint32_t index, uint32_t events) {
  Connection& connection = *slots_[index].connection;
  if (connection.waited_for == events) return;
  connection.waited_for = events;
  epoll_event event = {events, {.u64 = index}};
  epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, connection.fd(), &event);
}

void Fleet::Close(uint32_t index, bool lost) {
  Slot& slot = slots_[index];
  if (slot.state == State::kConnected || slot.state == State::kGreeting) {
    surroundings_.packets.Connection(Here(index), "closed");
  }
  if (slot.state == State::kConnected) {
    --figures_.connected;
    if (lost) ++figures_.disconnects;
  } else {
    --figures_.connecting;
    ++figures_.connect_errors;
  }
  // A ticket serves once; without a new one the next handshake is a full one.
  if (options_.resume_tls && slot.connection != nullptr) slot.tls_session = slot.connection->TakeTlsSession();
  slot.connection = nullptr;
  slot.state = State::kIdle;
  ++slot.generation;
  std::string().swap(slot.out);
  if (!slot.is_active) return;  // Its other end has taken over.
  if (lost) {
    AddTimer(Backoff(random_, slot.attempts, kBackoffFirst, options_.reconnect_limit), index, TimerKind::kReconnect);
    ++slot.attempts;
  } else {
    waiting_.push_front(index);
  }
}

void Fleet::Renew(uint32_t index) {
  Slot& slot = slots_[index];
  Device::Disconnect(&slot.out);
  slot.connection->Write(slot.out);
  Close(index, /*lost=*/false);
}

void Fleet::AddTimer(absl::Duration after, uint32_t index, TimerKind kind) {
  timers_.push({now_ + after, index, slots_[index].generation, kind});
}

void Fleet::RunTimers() {
  while (!timers_.empty() && timers_.top().at <= now_) {
    const Timer timer = timers_.top();
    timers_.pop();
    if (timer.generation == slots_[timer.slot].generation) RunTimer(timer);
  }
}

void Fleet::RunTimer(const Timer& timer) {
  Slot& slot = slots_[timer.slot];
  switch (timer.kind) {
    case TimerKind::kReconnect: waiting_.push_back(timer.slot); break;
    case TimerKind::kOpenLimit:
      if (slot.state != State::kConnected) Close(timer.slot, /*lost=*/true);
      break;
    case TimerKind::kPing:
      if (!slot.device.Ping(&slot.out)) {
        Close(timer.slot, /*lost=*/true);
      } else {
        AddTimer(profile_.keep_alive * kPingAt, timer.slot, TimerKind::kPing);
        Flush(timer.slot);
      }
      break;
    case TimerKind::kRenew: Renew(timer.slot); break;
    case TimerKind::kRestless: Wander(timer.slot); break;
  }
}

void Fleet::Report() {
  if (rounds_left_ > 0 && figures_.connected == figures_.devices) EndRound();
  if (now_ < next_report_) return;
  while (next_report_ <= now_) next_report_ += kReportInterval;
  PrintEvent("progress", now_ - started_, figures_);
  if (!problem_.empty()) std::fprintf(stderr, "fleetsim: a device could not connect: %s\n", problem_.c_str());
  problem_.clear();
}

void Fleet::EndRound() {
  PrintEvent("connected", now_ - round_started_, figures_);
  if (--rounds_left_ == 0) return;
  round_started_ = now_ + kRoundPause;
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    if (slots_[index].state == State::kConnected) Renew(index);
  }
}

void Fleet::DisconnectAll() {
  for (Slot& slot : slots_) {
    if (slot.state != State::kConnected) continue;
    Device::Disconnect(&slot.out);
    slot.connection->Write(slot.out);
  }
}

}  // namespace fleetcast::fleetsim
