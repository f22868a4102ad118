#include "services/scheduler/method_chunk.h"

#include <algorithm>
#include <utility>

#include "libs/base/check.h"

namespace fleetcast::scheduler {
namespace {

using job_store::PositionSet;

// Between two clocks that both follow the hour: what is added to a permit before "it has run out" is believed.
constexpr absl::Duration kPermitSlack = absl::Milliseconds(250);
// Doublings of the back-off; more would only overflow.
constexpr int kRetriesCounted = 16;

uint32_t Bit(int dispatcher) { return uint32_t{1} << dispatcher; }

}  // namespace

MethodChunk::MethodChunk(job_store::LeasedChunk chunk, const MethodChunkOptions& options, Moment now)
    : ChunkRun(std::move(chunk)), options_(options), targets_(chunk_.device_ids.size()) {
  FLEETCAST_CHECK(options_.dispatchers >= 1 && options_.dispatchers <= kDispatchersMax);
  const uint32_t everybody = options_.dispatchers == 32 ? ~uint32_t{0} : Bit(options_.dispatchers) - 1;
  // The database knows when the latest intent was committed, but an older one may lack its answer as well: only who
  // was there when the job started has seen them all.
  const absl::Time first_intent = chunk_.job->started_time.value_or(absl::InfinitePast());
  counts_[static_cast<size_t>(State::kReady)] = static_cast<int>(targets_.size());
  for (int position = 0; position < target_count(); ++position) {
    if (chunk_.pending.Contains(position)) {
      ready_.Insert(position);
    } else if (chunk_.in_flight.Contains(position)) {
      At(position).issued = chunk_.last_issue_time.value_or(now.wall);
      At(position).boot_max = first_intent - options_.clock_skew;
      Ask(position, everybody, now);
    } else {
      Move(position, State::kDone);
    }
  }
}

void MethodChunk::Move(int position, State state) {
  Target& target = At(position);
  --counts_[static_cast<size_t>(target.state)];
  ++counts_[static_cast<size_t>(state)];
  target.state = state;
  target.wake = absl::InfiniteDuration();
  if (state == State::kReady) {
    ready_.Insert(position);
  } else {
    ready_.Erase(position);
  }
}

void MethodChunk::WakeAt(int position, absl::Duration when) {
  At(position).wake = when;
  next_tick_ = std::min(next_tick_, when);
}

OutcomeTarget MethodChunk::Named(int position) {
  const absl::Time issued = At(position).issued;
  OutcomeTarget named{.lease = chunk_.lease, .position = position, .issued = {}};
  if (issued != absl::InfinitePast()) named.issued = issued;
  return named;
}

int MethodChunk::ready() const {
  if (lost_ || writing_) return 0;
  return (ready_ - to_clear_).size();
}

Intent MethodChunk::BeginIssue(int limit) {
  Intent intent;
  if (lost_ || writing_) return intent;
  for (const int position : (ready_ - to_clear_).ToVector()) {
    if (limit-- <= 0) break;
    intent.positions.Insert(position);
    Move(position, State::kIntending);
  }
  intent.mark = intent.positions;
  writing_ = !intent.mark.empty();
  return intent;
}

PositionSet MethodChunk::Issued(const Intent& intent, int dispatcher, absl::Time boot, Moment now) {
  writing_ = false;
  PositionSet sent;
  for (const int position : intent.positions.ToVector()) {
    Target& target = At(position);
    if (target.state != State::kIntending) continue;  // An answer of an earlier issue came meanwhile.
    target.issued = now.wall;
    target.boot_max = boot;
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
  target.ask_after = now.steady + options_.permit + kPermitSlack;
  WakeAt(position, now.steady + options_.permit + options_.response_timeout + options_.answer_slack);
}

void MethodChunk::NotIssued(const Intent& intent) {
  writing_ = false;
  for (const int position : intent.positions.ToVector()) {
    if (At(position).state != State::kIntending) continue;
    Move(position, State::kReady);
    to_clear_.Insert(position);
  }
}

void MethodChunk::OnEvent(int position, int dispatcher, CallEvent& event, Moment now, ChunkActions& actions) {
  Target& target = At(position);
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
      if (target.state == State::kAsking && target.ask != Bit(dispatcher)) {
        OnProof(position, dispatcher, /*young=*/false, now, actions);
      } else {
        OnNotSent(position, event.not_sent, now, actions);
      }
      return;
    // The end of any attempt is the truth about the target, whatever we thought of it.
    case CallEvent::Kind::kAnswer:
      if (target.state != State::kDone) End(position, OutcomeOfAnswer(Named(position), event, now.wall), actions);
      return;
    case CallEvent::Kind::kUnknown:
      if (target.state != State::kDone) {
        End(position, OutcomeOfUnknown(Named(position), event.unknown, now.wall), actions);
      }
      return;
  }
}

void MethodChunk::End(int position, job_store::Outcome outcome, ChunkActions& actions) {
  LeaveFlightOrWait(position, actions);
  Move(position, State::kDone);
  to_clear_.Erase(position);
  actions.outcomes.push_back(std::move(outcome));
}

void MethodChunk::LeaveFlightOrWait(int position, ChunkActions& actions) {
  const Target& target = At(position);
  if (target.state == State::kInFlight) actions.released.push_back(target.dispatcher);
  if (target.state == State::kWaiting && target.waits_for == NotSentReason::kOffline) {
    actions.unwatch.push_back(position);
  }
}

void MethodChunk::OnNotSent(int position, NotSentReason reason, Moment now, ChunkActions& actions) {
  Target& target = At(position);
  LeaveFlightOrWait(position, actions);
  if (lost_) {  // The store decides: pending again, canceled or timed out.
    Move(position, State::kReady);
    to_clear_.Insert(position);
    return;
  }
  const bool waits = reason == NotSentReason::kOffline || reason == NotSentReason::kBusy;
  const bool retried = waits || reason == NotSentReason::kOverloaded || reason == NotSentReason::kPermitExpired;
  if (waits) target.wait_end = std::min(target.wait_end, now.steady + options_.wait_max);
  if (!retried || (waits && now.steady >= target.wait_end)) {
    Move(position, State::kReady);  // No longer in flight: End must not release it twice.
    End(position, OutcomeOfNotSent(Named(position), reason, now.wall), actions);
    return;
  }
  to_clear_.Insert(position);
  Wait(position, reason, now, actions);
}

void MethodChunk::Wait(int position, NotSentReason reason, Moment now, ChunkActions& actions) {
  Target& target = At(position);
  Move(position, State::kWaiting);
  target.waits_for = reason;
  if (reason == NotSentReason::kOffline) {
    target.retries = 0;
    WakeAt(position, std::min(now.steady + options_.recheck, target.wait_end));
    actions.watch.push_back(position);
    return;
  }
  const absl::Duration pause = std::min(options_.retry_max, options_.retry_first * (1 << target.retries));
  if (target.retries < kRetriesCounted) ++target.retries;
  WakeAt(position, now.steady + pause);
}

void MethodChunk::OnDeviceReady(int position, ChunkActions& actions) {
  Target& target = At(position);
  if (target.state != State::kWaiting || target.waits_for != NotSentReason::kOffline) return;
  LeaveFlightOrWait(position, actions);
  Move(position, State::kReady);
}

void MethodChunk::OnPeerDown(int dispatcher, Moment now) {
  for (int position = 0; position < target_count(); ++position) {
    Target& target = At(position);
    if (target.state == State::kInFlight && target.dispatcher == dispatcher) Ask(position, Bit(dispatcher), now);
    target.asked &= ~Bit(dispatcher);
  }
}

void MethodChunk::Ask(int position, uint32_t dispatchers, Moment now) {
  Target& target = At(position);
  if (target.state != State::kInFlight) target.ask_after = now.steady + options_.permit + kPermitSlack;
  Move(position, State::kAsking);
  target.ask = dispatchers;
  target.asked = 0;
  target.not_seen = 0;
  target.young = false;
  target.sent = false;
  WakeAt(position, now.steady + std::max(options_.inquiry_max, options_.response_timeout));
  next_tick_ = std::min(next_tick_, target.ask_after);
}

std::vector<int> MethodChunk::TakeQuestions(int dispatcher, Moment now) {
  std::vector<int> questions;
  if (count(State::kAsking) == 0) return questions;
  const uint32_t bit = Bit(dispatcher);
  for (int position = 0; position < target_count(); ++position) {
    Target& target = At(position);
    if (target.state != State::kAsking || (target.ask & bit) == 0 || ((target.asked | target.not_seen) & bit) != 0) {
      continue;
    }
    if (now.steady < target.ask_after) {
      next_tick_ = std::min(next_tick_, target.ask_after);
      continue;
    }
    target.asked |= bit;
    questions.push_back(position);
  }
  return questions;
}

void MethodChunk::PutBackQuestions(int dispatcher, const std::vector<int>& positions, Moment now) {
  for (const int position : positions) At(position).asked &= ~Bit(dispatcher);
  next_tick_ = std::min(next_tick_, now.steady + options_.retry_first);
}

void MethodChunk::OnKnowledge(int position, int dispatcher, Knowledge knowledge, absl::Time boot, Moment now,
                              ChunkActions& actions) {
  Target& target = At(position);
  if (target.state != State::kAsking || (target.asked & Bit(dispatcher)) == 0) return;
  switch (knowledge) {
    case Knowledge::kPending: Fly(position, dispatcher, now); return;
    case Knowledge::kFinished: return;  // Its event is on the way.
    case Knowledge::kNotSeen: {
      // Another process than the one that got it, whatever its clock says about when it started.
      const bool is_young = target.is_ours ? boot != target.boot_max : boot > target.boot_max;
      OnProof(position, dispatcher, is_young, now, actions);
      return;
    }
  }
}

void MethodChunk::OnProof(int position, int dispatcher, bool young, Moment now, ChunkActions& actions) {
  Target& target = At(position);
  target.not_seen |= Bit(dispatcher);
  target.young = target.young || young;
  if ((target.not_seen & target.ask) != target.ask) return;
  if (!target.young) {
    Move(position, State::kReady);
    to_clear_.Insert(position);
  } else if (!lost_) {
    End(position, OutcomeOfUnknown(Named(position), UnknownReason::kDispatcherLost, now.wall), actions);
  } else {
    Move(position, State::kDone);
  }
}

void MethodChunk::Tick(Moment now, ChunkActions& actions) {
  if (now.steady < next_tick_) return;
  next_tick_ = absl::InfiniteDuration();
  for (int position = 0; position < target_count(); ++position) {
    if (At(position).wake <= now.steady) TickTarget(position, now, actions);
    next_tick_ = std::min(next_tick_, At(position).wake);
  }
}

void MethodChunk::TickTarget(int position, Moment now, ChunkActions& actions) {
  Target& target = At(position);
  switch (target.state) {
    case State::kWaiting: {
      const bool over = now.steady >= target.wait_end && target.waits_for != NotSentReason::kOverloaded &&
                        target.waits_for != NotSentReason::kPermitExpired;
      if (over) {
        End(position, OutcomeOfNotSent(Named(position), target.waits_for, now.wall), actions);
        return;
      }
      LeaveFlightOrWait(position, actions);
      Move(position, State::kReady);
      return;
    }
    case State::kInFlight:  // The dispatcher owes us the end of the call.
      LeaveFlightOrWait(position, actions);
      Ask(position, Bit(target.dispatcher), now);
      return;
    case State::kAsking:
      if (lost_) {
        Move(position, State::kDone);
      } else {
        End(position, OutcomeOfUnknown(Named(position), UnknownReason::kDispatcherLost, now.wall), actions);
      }
      return;
    case State::kReady:
    case State::kIntending:
    case State::kDone: return;
  }
}

void MethodChunk::Lose(ChunkActions& actions) {
  if (lost_) return;
  lost_ = true;
  for (int position = 0; position < target_count(); ++position) {
    if (At(position).state != State::kWaiting) continue;
    LeaveFlightOrWait(position, actions);
    Move(position, State::kReady);
  }
}

void MethodChunk::Abandon(ChunkActions& actions) {
  for (int position = 0; position < target_count(); ++position) {
    if (At(position).state == State::kDone) continue;
    LeaveFlightOrWait(position, actions);
    Move(position, State::kDone);
  }
}

bool MethodChunk::drained() const {
  return lost_ && !writing_ && to_clear_.empty() && count(State::kInFlight) == 0 && count(State::kAsking) == 0;
}

bool MethodChunk::only_waiting() const {
  return count(State::kWaiting) > 0 && count(State::kWaiting) == unfinished() && to_clear_.empty() && !writing_;
}

}  // namespace fleetcast::scheduler
