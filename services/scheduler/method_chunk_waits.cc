// The part of MethodChunk that waits: for devices, for the way to become free, for the next try.
#include <algorithm>
#include <utility>

#include "services/scheduler/method_chunk.h"

namespace fleetcast::scheduler {
namespace {

// Doublings of the back-off; more would only overflow.
constexpr int kPausesCounted = 16;

}  // namespace

void MethodChunk::OnNotSent(int position, NotSentReason reason, Moment now, ChunkActions& actions) {
  Target& target = At(position);
  LeaveFlightOrWait(position, actions);
  if (lost_) {  // The store decides: pending again, canceled or timed out.
    if (target.attempt == 0) {
      Move(position, State::kReady);
      to_clear_.Insert(position);
    } else {  // Not what has happened before.
      Move(position, State::kWaiting);
      target.waits_for = Wait::kRetry;
    }
    return;
  }
  const bool waits = reason == NotSentReason::kOffline || reason == NotSentReason::kBusy;
  const bool retried = waits || reason == NotSentReason::kOverloaded || reason == NotSentReason::kPermitExpired;
  if (waits) target.wait_end = std::min(target.wait_end, MillisOf(now.steady + options_.wait_max));
  Move(position, State::kReady);  // No longer in flight: End must not release it twice.
  if (!retried || (waits && now.steady >= TimeOf(target.wait_end))) {
    ConcludeNotSent(position, reason, now, actions);
    return;
  }
  // The intent of a retry stays: its target was called before, which a cancel must not deny.
  if (target.attempt == 0) to_clear_.Insert(position);
  if (reason == NotSentReason::kOffline) {
    AwaitDevice(position, now, actions);
  } else {
    PauseFor(position, reason == NotSentReason::kBusy ? Wait::kBusy : Wait::kWay, NextPause(target, options_.retry_max),
             now);
  }
}

// A device that was said to be connected and could not be reached is not asked for at once again, or the two would
// chase each other.
void MethodChunk::AwaitDevice(int position, Moment now, ChunkActions& actions) {
  Target& target = At(position);
  if (target.pauses > 0) {
    PauseFor(position, Wait::kDevicePause, NextPause(target, options_.recheck), now);
    return;
  }
  ++target.pauses;
  Move(position, State::kWaiting);
  target.waits_for = Wait::kDevice;
  WakeAt(position, TimeOf(target.wait_end));
  actions.watch.push_back(position);
}

absl::Duration MethodChunk::NextPause(Target& target, absl::Duration most) const {
  const absl::Duration pause = std::min(most, options_.retry_first * (1 << target.pauses));
  if (target.pauses < kPausesCounted) ++target.pauses;
  return pause;
}

void MethodChunk::PauseFor(int position, Wait wait, absl::Duration pause, Moment now) {
  Move(position, State::kWaiting);
  At(position).waits_for = wait;
  const bool is_bounded = wait == Wait::kDevicePause || wait == Wait::kBusy;
  WakeAt(position, std::min(now.steady + pause, is_bounded ? TimeOf(At(position).wait_end) : absl::InfiniteDuration()));
}

void MethodChunk::OnDeviceReady(int position) {
  if (awaits_device(position)) BecomeReady(position);
}

bool MethodChunk::MayRetry(int position, FailureType failure) const {
  const Target& target = At(position);
  return target.attempt < kAttemptMax && target.attempt + target.not_online < RetriesFor(job().spec.retry, failure);
}

std::optional<absl::Duration> MethodChunk::RetryPause(int position, Moment now) const {
  const Target& target = At(position);
  const absl::Duration ceiling = BackoffCeiling(job().spec.retry, target.attempt + target.not_online + 1);
  const auto micros = static_cast<uint64_t>(std::max<int64_t>(0, absl::ToInt64Microseconds(ceiling)));
  const absl::Duration pause = absl::Microseconds(static_cast<int64_t>(random_.Below(micros + 1)));
  if (now.wall + pause >= job().deadline().value_or(absl::InfiniteFuture())) return std::nullopt;
  return pause;
}

void MethodChunk::Conclude(int position, job_store::Outcome outcome, CallSource source, Moment now,
                           ChunkActions& actions) {
  Target& target = At(position);
  const std::optional<FailureType> failure = FailureOf(outcome);
  const bool may_retry = failure.has_value() && MayRetry(position, *failure);
  const std::optional<absl::Duration> pause = may_retry ? RetryPause(position, now) : std::nullopt;
  const bool was_sent = failure != FailureType::kNotOnline;
  if (!pause.has_value()) {
    if (!was_sent && target.attempt > 0) return EndAsBefore(position, now, actions);
    return End(position, std::move(outcome), source, actions);
  }
  LeaveFlightOrWait(position, actions);
  target.pauses = 0;
  target.wait_end = kNever;
  if (was_sent) {
    target.next_attempt = true;
    ends_[position] = {std::move(outcome), source};
  } else {  // Proof that nothing was sent: the number stays.
    ++target.not_online;
  }
  PauseFor(position, Wait::kRetry, *pause, now);
  if (lost_) target.wake = kNever;  // Until it is known whether the job is over.
}

// The attempt was provably not sent and will not be.
void MethodChunk::ConcludeNotSent(int position, NotSentReason reason, Moment now, ChunkActions& actions) {
  job_store::Outcome outcome = OutcomeOfNotSent(Named(position), reason, now.wall);
  const bool may_retry = FailureOf(outcome) == FailureType::kNotOnline;
  if (At(position).attempt > 0 && !may_retry) return EndAsBefore(position, now, actions);
  Conclude(position, std::move(outcome), {}, now, actions);
}

// An earlier attempt was sent: "not reached" would be a lie about the device. What came of that one is the outcome.
void MethodChunk::EndAsBefore(int position, Moment now, ChunkActions& actions) {
  const auto end = ends_.find(position);
  LastEnd last{OutcomeOfUnknown(Named(position), UnknownReason::kDispatcherLost, now.wall),
               {kNoPeer, At(position).attempt}};
  if (end != ends_.end()) last = std::move(end->second);
  End(position, std::move(last.outcome), last.source, actions);
}

void MethodChunk::Tick(Moment now, ChunkActions& actions) {
  if (now.steady < next_tick_) return;
  next_tick_ = absl::InfiniteDuration();
  if (now.steady >= recheck_at_) WatchAgain(now, actions);
  next_tick_ = lost_ ? absl::InfiniteDuration() : recheck_at_;
  for (int position = 0; position < target_count(); ++position) {
    if (TimeOf(At(position).wake) <= now.steady) TickTarget(position, now, actions);
    next_tick_ = std::min(next_tick_, TimeOf(At(position).wake));
  }
  for (const auto& [position, inquiry] : inquiries_) {
    if (inquiry.asked == 0 && now.steady < inquiry.ask_after) next_tick_ = std::min(next_tick_, inquiry.ask_after);
  }
}

void MethodChunk::WatchAgain(Moment now, ChunkActions& actions) {
  recheck_at_ = now.steady + options_.recheck;
  if (lost_ || count(State::kWaiting) == 0) return;
  for (int position = 0; position < target_count(); ++position) {
    const Target& target = At(position);
    if (target.state == State::kWaiting && target.waits_for == Wait::kDevice) actions.watch.push_back(position);
  }
}

void MethodChunk::TickTarget(int position, Moment now, ChunkActions& actions) {
  Target& target = At(position);
  switch (target.state) {
    case State::kWaiting: TickWaiting(position, now, actions); return;
    case State::kInFlight:  // The dispatcher owes us the end of the call.
      LeaveFlightOrWait(position, actions);
      Ask(position, uint32_t{1} << target.dispatcher, now);
      return;
    case State::kAsking:
      if (lost_) {
        Move(position, State::kDone);
      } else {
        Conclude(position, OutcomeOfUnknown(Named(position), UnknownReason::kDispatcherLost, now.wall),
                 {kNoPeer, target.attempt}, now, actions);
      }
      return;
    case State::kReady:
    case State::kIntending:
    case State::kDone: return;
  }
}

void MethodChunk::TickWaiting(int position, Moment now, ChunkActions& actions) {
  Target& target = At(position);
  const bool is_over = now.steady >= TimeOf(target.wait_end);
  switch (target.waits_for) {
    case Wait::kDevice:
    case Wait::kDevicePause:
      if (is_over) {
        LeaveFlightOrWait(position, actions);
        Move(position, State::kReady);
        ConcludeNotSent(position, NotSentReason::kOffline, now, actions);
        return;
      }
      target.waits_for = Wait::kDevice;
      WakeAt(position, TimeOf(target.wait_end));
      actions.watch.push_back(position);
      return;
    case Wait::kBusy:
      if (is_over) {
        ConcludeNotSent(position, NotSentReason::kBusy, now, actions);
        return;
      }
      break;
    case Wait::kRetry:
      if (const auto end = ends_.find(position); target.next_attempt && end != ends_.end()) {
        const FailureType failure = FailureOf(end->second.outcome).value_or(FailureType::kFailed);
        if (!MayRetry(position, failure)) {  // Numbers were used up by commits that stayed unclear.
          LastEnd last = std::move(end->second);
          return End(position, std::move(last.outcome), last.source, actions);
        }
      }
      break;
    case Wait::kWay: break;
  }
  BecomeReady(position);
}

}  // namespace fleetcast::scheduler
