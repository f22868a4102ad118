// The part of MethodChunk that finds out what became of calls whose dispatcher or owner was lost.
#include <algorithm>

#include "services/scheduler/method_chunk.h"

namespace fleetcast::scheduler {
namespace {

// Between two clocks that both follow the hour: what is added to a permit before "it has run out" is believed.
constexpr absl::Duration kPermitSlack = absl::Milliseconds(250);

uint32_t Bit(int dispatcher) { return uint32_t{1} << dispatcher; }

}  // namespace

void MethodChunk::OnPeerDown(int dispatcher, Moment now) {
  for (int position = 0; position < target_count(); ++position) {
    const Target& target = At(position);
    if (target.state == State::kInFlight && target.dispatcher == dispatcher) Ask(position, Bit(dispatcher), now);
  }
  for (auto& [position, inquiry] : inquiries_) inquiry.asked &= ~Bit(dispatcher);
}

void MethodChunk::Ask(int position, uint32_t dispatchers, Moment now) {
  Target& target = At(position);
  Inquiry inquiry;
  inquiry.ask = dispatchers;
  inquiry.ask_after = now.steady + options_.permit + kPermitSlack;
  if (target.state == State::kInFlight) {  // Its permit began when it was issued.
    inquiry.ask_after = TimeOf(target.wake) - options_.response_timeout - options_.answer_slack + kPermitSlack;
  }
  Move(position, State::kAsking);
  target.sent = false;
  inquiries_[position] = inquiry;
  WakeAt(position, now.steady + std::max(options_.inquiry_max, options_.response_timeout));
  next_tick_ = std::min(next_tick_, inquiry.ask_after);
}

std::vector<int> MethodChunk::TakeQuestions(int dispatcher, Moment now) {
  std::vector<int> questions;
  for (auto& [position, inquiry] : inquiries_) {
    if ((inquiry.ask & Bit(dispatcher)) == 0 || ((inquiry.asked | inquiry.not_seen) & Bit(dispatcher)) != 0) continue;
    if (now.steady < inquiry.ask_after) {
      next_tick_ = std::min(next_tick_, inquiry.ask_after);
      continue;
    }
    inquiry.asked |= Bit(dispatcher);
    questions.push_back(position);
  }
  std::sort(questions.begin(), questions.end());
  return questions;
}

void MethodChunk::PutBackQuestions(int dispatcher, const std::vector<int>& positions, Moment now) {
  for (const int position : positions) {
    if (const auto inquiry = inquiries_.find(position); inquiry != inquiries_.end()) {
      inquiry->second.asked &= ~Bit(dispatcher);
    }
  }
  next_tick_ = std::min(next_tick_, now.steady + options_.retry_first);
}

void MethodChunk::OnKnowledge(int position, int dispatcher, Knowledge knowledge, absl::Time boot, Moment now,
                              ChunkActions& actions) {
  const auto inquiry = inquiries_.find(position);
  if (inquiry == inquiries_.end() || (inquiry->second.asked & Bit(dispatcher)) == 0) return;
  switch (knowledge) {
    case Knowledge::kPending: Fly(position, dispatcher, now); return;
    case Knowledge::kFinished: return;  // Its event is on the way.
    case Knowledge::kNotSeen: {
      // Another process than the one that got it, whatever its clock says about when it started.
      const absl::Time latest = boots_[At(position).boot];
      OnProof(position, dispatcher, At(position).is_ours ? boot != latest : boot > latest, now, actions);
      return;
    }
  }
}

void MethodChunk::OnProof(int position, int dispatcher, bool young, Moment now, ChunkActions& actions) {
  Inquiry& inquiry = inquiries_[position];
  inquiry.not_seen |= Bit(dispatcher);
  inquiry.young = inquiry.young || young;
  if ((inquiry.not_seen & inquiry.ask) != inquiry.ask) return;
  if (!inquiry.young) {
    if (lost_ && At(position).attempt > 0) return Move(position, State::kDone);  // It was called before.
    Move(position, State::kReady);
    if (At(position).attempt == 0) to_clear_.Insert(position);
  } else if (!lost_) {
    Conclude(position, OutcomeOfUnknown(Named(position), UnknownReason::kDispatcherLost, now.wall),
             {kNoPeer, At(position).attempt}, now, actions);
  } else {
    Move(position, State::kDone);
  }
}

}  // namespace fleetcast::scheduler
