#include "services/scheduler/method_chunk.h"

#include <algorithm>
#include <utility>

#include "libs/base/check.h"

namespace fleetcast::scheduler {
namespace {

using job_store::PositionSet;

constexpr size_t kBootsMax = 255;

}  // namespace

MethodChunk::MethodChunk(job_store::LeasedChunk chunk, const MethodChunkOptions& options, Moment now)
    : ChunkRun(std::move(chunk)),
      options_(options),
      random_(options.random != nullptr ? *options.random : SystemRandom()),
      base_(now.steady),
      targets_(static_cast<size_t>(target_count())) {
  FLEETCAST_CHECK(options_.dispatchers >= 1 && options_.dispatchers <= kDispatchersMax);
  PackNames();
  const uint32_t everybody = options_.dispatchers == 32 ? ~uint32_t{0} : (uint32_t{1} << options_.dispatchers) - 1;
  // The database knows when the latest intent was committed, but an older one may lack its answer as well: only who
  // was there when the job started has seen them all.
  const absl::Time first_intent = chunk_.job->started_time.value_or(absl::InfinitePast());
  const uint8_t boot = BootIndex(first_intent - options_.clock_skew);
  counts_[static_cast<size_t>(State::kReady)] = target_count();
  for (const auto& [position, retries] : std::exchange(chunk_.retries, {})) {
    At(position).attempt = static_cast<uint8_t>(std::min(retries, kAttemptMax));
  }
  for (int position = 0; position < target_count(); ++position) {
    if (chunk_.pending.Contains(position)) {
      Move(position, options_.begin_waiting ? State::kWaiting : State::kReady);
    } else if (chunk_.in_flight.Contains(position)) {
      At(position).issued_micros = absl::ToUnixMicros(chunk_.last_issue_time.value_or(now.wall));
      At(position).boot = boot;
      Ask(position, everybody, now);
    } else {
      Move(position, State::kDone);
    }
  }
  // Not all chunks at the same moment.
  recheck_at_ = now.steady + options_.recheck * (0.75 + 0.25 * static_cast<double>(random_.Below(1'000)) / 1'000);
  next_tick_ = std::min(next_tick_, recheck_at_);
}

void MethodChunk::Begin(ChunkActions& actions) {
  for (int position = 0; position < target_count(); ++position) {
    if (At(position).state == State::kWaiting) actions.watch.push_back(position);
  }
}

int32_t MethodChunk::MillisOf(absl::Duration when) const {
  if (when == absl::InfiniteDuration()) return kNever;
  const int64_t millis = absl::ToInt64Milliseconds(absl::Ceil(when - base_, absl::Milliseconds(1)));
  return static_cast<int32_t>(std::clamp<int64_t>(millis, 0, kNever - 1));
}

absl::Duration MethodChunk::TimeOf(int32_t millis) const {
  return millis == kNever ? absl::InfiniteDuration() : base_ + absl::Milliseconds(millis);
}

uint8_t MethodChunk::BootIndex(absl::Time boot) {
  const auto known = std::find(boots_.begin(), boots_.end(), boot);
  if (known != boots_.end()) return static_cast<uint8_t>(known - boots_.begin());
  if (boots_.size() < kBootsMax) {
    boots_.push_back(boot);
  } else {  // The older of two proves less: never too much.
    boots_.back() = std::min(boots_.back(), boot);
  }
  return static_cast<uint8_t>(boots_.size() - 1);
}

void MethodChunk::Move(int position, State state) {
  Target& target = At(position);
  --counts_[static_cast<size_t>(target.state)];
  ++counts_[static_cast<size_t>(state)];
  if (target.state == State::kAsking) inquiries_.erase(position);
  target.state = state;
  target.wake = kNever;
  if (state == State::kReady) {
    ready_.Insert(position);
  } else {
    ready_.Erase(position);
  }
}

void MethodChunk::WakeAt(int position, absl::Duration when) {
  At(position).wake = MillisOf(when);
  next_tick_ = std::min(next_tick_, TimeOf(At(position).wake));
}

OutcomeTarget MethodChunk::Named(int position) const {
  const int64_t issued = At(position).issued_micros;
  OutcomeTarget named{.lease = chunk_.lease, .position = position, .issued = {}};
  if (issued != kNotIssued) named.issued = absl::FromUnixMicros(issued);
  return named;
}

int MethodChunk::at_hand() const { return lost_ ? 0 : (ready_ - to_clear_).size(); }

int MethodChunk::again() const {
  if (lost_ || writing_) return 0;
  return ((ready_ - to_clear_) & issued_).size();
}

// The intent of a retry that was not sent after all stays, and is committed again under the same number: its target was
// called before, which a cancel must not deny.
void MethodChunk::BecomeReady(int position) {
  Move(position, State::kReady);
  if (issued_.Contains(position) && At(position).attempt == 0 && !At(position).next_attempt) to_clear_.Insert(position);
}

Intent MethodChunk::BeginIssue(int limit) {
  Intent intent;
  if (lost_ || writing_) return intent;
  const auto take = [&](const PositionSet& positions) {
    for (const int position : positions.ToVector()) {
      if (limit-- <= 0) return;
      intent.positions.Insert(position);
      const Target& target = At(position);
      if (target.next_attempt || (target.attempt > 0 && issued_.Contains(position))) {
        intent.retries[position] = target.attempt + (target.next_attempt ? 1 : 0);
      } else {
        intent.mark.Insert(position);
      }
      Move(position, State::kIntending);
    }
  };
  const PositionSet usable = ready_ - to_clear_;
  take(usable & issued_);
  take(usable - issued_);
  issued_ |= intent.mark;
  writing_ = intent.needs_commit();
  return intent;
}

PositionSet MethodChunk::Issued(const Intent& intent, int dispatcher, absl::Time boot, Moment now,
                                ChunkActions& actions) {
  writing_ = false;
  PositionSet sent;
  const uint8_t boot_index = BootIndex(boot);
  for (const int position : intent.positions.ToVector()) {
    Target& target = At(position);
    if (target.state != State::kIntending) continue;  // An answer of an earlier issue came meanwhile.
    if (const auto retry = intent.retries.find(position); retry != intent.retries.end()) {
      target.attempt = static_cast<uint8_t>(retry->second);
      target.next_attempt = false;
      // Whoever owns the chunk next asks about the new attempt.
      if (const auto end = ends_.find(position); end != ends_.end() && end->second.source.peer != kNoPeer) {
        actions.forget.push_back({position, std::exchange(end->second.source, {})});
      }
    }
    target.issued_micros = absl::ToUnixMicros(now.wall);
    target.boot = boot_index;
    target.is_ours = true;
    Fly(position, dispatcher, now);
    sent.Insert(position);
  }
  return sent;
}

void MethodChunk::Fly(int position, int dispatcher, Moment now) {
  Target& target = At(position);
  Move(position, State::kInFlight);
  target.sent = false;
  target.dispatcher = static_cast<uint8_t>(dispatcher);
  WakeAt(position, now.steady + options_.permit + options_.response_timeout + options_.answer_slack);
}

void MethodChunk::NotIssued(const Intent& intent, bool committed) {
  writing_ = false;
  for (const int position : intent.positions.ToVector()) {
    Target& target = At(position);
    if (target.state != State::kIntending) continue;
    const auto retry = intent.retries.find(position);
    if (retry == intent.retries.end()) {
      Move(position, State::kReady);
      to_clear_.Insert(position);
      continue;
    }
    // Whether the number is taken or not: nobody has used it, and nobody may guess which.
    target.attempt = static_cast<uint8_t>(retry->second);
    target.next_attempt = !committed;
    if (committed && !lost_) {
      BecomeReady(position);
    } else {
      Move(position, State::kWaiting);
      target.waits_for = Wait::kRetry;
      WakeAt(position, base_);
    }
  }
}

void MethodChunk::OnEvent(int position, int dispatcher, CallEvent& event, Moment now, ChunkActions& actions) {
  Target& target = At(position);
  const CallSource source{dispatcher, event.attempt};
  const bool is_end = event.kind == CallEvent::Kind::kAnswer || event.kind == CallEvent::Kind::kUnknown;
  if (event.attempt != target.attempt || target.next_attempt || target.state == State::kDone) {
    if (is_end) OnLateEnd(position, source, event, now, actions);
    return;
  }
  const bool concerns =
      (target.state == State::kInFlight && target.dispatcher == dispatcher) || target.state == State::kAsking;
  switch (event.kind) {
    case CallEvent::Kind::kSent:
      if (!concerns) return;
      if (target.state == State::kAsking) Fly(position, dispatcher, now);
      target.sent = true;
      return;
    case CallEvent::Kind::kNotSent:
      if (!concerns || target.sent) return;
      if (target.state == State::kAsking && inquiries_[position].ask != uint32_t{1} << dispatcher) {
        OnProof(position, dispatcher, /*young=*/false, now, actions);
      } else {
        OnNotSent(position, event.not_sent, now, actions);
      }
      return;
    // The end of the attempt is the truth about it, whatever we thought of it.
    case CallEvent::Kind::kAnswer:
      Conclude(position, OutcomeOfAnswer(Named(position), event, now.wall), source, now, actions);
      return;
    case CallEvent::Kind::kUnknown:
      Conclude(position, OutcomeOfUnknown(Named(position), event.unknown, now.wall), source, now, actions);
      return;
  }
}

// An end of an attempt that is not, or no longer, waited for.
void MethodChunk::OnLateEnd(int position, CallSource source, CallEvent& event, Moment now, ChunkActions& actions) {
  Target& target = At(position);
  if (target.state != State::kDone && source.attempt <= target.attempt && event.kind == CallEvent::Kind::kAnswer) {
    job_store::Outcome outcome = OutcomeOfAnswer(Named(position), event, now.wall);
    if (!FailureOf(outcome).has_value()) return End(position, std::move(outcome), source, actions);
  }
  // The recorder tells about the attempt whose end is the outcome, once that is in the database.
  if (source.attempt != target.attempt) actions.forget.push_back({position, source});
}

void MethodChunk::End(int position, job_store::Outcome outcome, CallSource source, ChunkActions& actions) {
  LeaveFlightOrWait(position, actions);
  Move(position, State::kDone);
  At(position).attempt = static_cast<uint8_t>(source.attempt);
  to_clear_.Erase(position);
  issued_.Erase(position);
  ends_.erase(position);
  actions.AddOutcome(std::move(outcome), source);
}

void MethodChunk::LeaveFlightOrWait(int position, ChunkActions& actions) {
  const Target& target = At(position);
  if (target.state == State::kInFlight) actions.released.push_back(target.dispatcher);
  if (target.state == State::kWaiting && target.waits_for == Wait::kDevice) actions.unwatch.push_back(position);
}

void MethodChunk::Lose(ChunkActions& actions) {
  if (lost_) return;
  lost_ = true;
  for (int position = 0; position < target_count(); ++position) {
    Target& target = At(position);
    if (target.state != State::kWaiting && target.state != State::kReady) continue;
    LeaveFlightOrWait(position, actions);
    const bool was_called = ends_.contains(position);
    if (was_called) to_clear_.Erase(position);  // A cancel would take it for one that was not.
    Move(position, was_called ? State::kWaiting : State::kReady);
    target.waits_for = Wait::kRetry;
  }
}

void MethodChunk::Abandon(ChunkActions& actions) {
  for (int position = 0; position < target_count(); ++position) {
    if (At(position).state == State::kDone) continue;
    LeaveFlightOrWait(position, actions);
    Move(position, State::kDone);
  }
  ends_.clear();
}

bool MethodChunk::wants_verdict() const { return lost_ && count(State::kWaiting) > 0; }

void MethodChunk::Judge(bool job_is_over, ChunkActions& actions) {
  for (int position = 0; position < target_count(); ++position) {
    if (At(position).state != State::kWaiting) continue;
    const auto end = ends_.find(position);
    if (job_is_over && end != ends_.end()) {
      LastEnd last = std::move(end->second);
      End(position, std::move(last.outcome), last.source, actions);
    } else {
      Move(position, State::kDone);
    }
  }
}

bool MethodChunk::drained() const {
  return lost_ && !writing_ && to_clear_.empty() && count(State::kInFlight) == 0 && count(State::kAsking) == 0 &&
         !wants_verdict();
}

bool MethodChunk::only_waiting() const {
  return count(State::kWaiting) > 0 && count(State::kWaiting) == unfinished() && to_clear_.empty() && !writing_;
}

}  // namespace fleetcast::scheduler
