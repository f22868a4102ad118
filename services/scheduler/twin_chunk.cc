#include "services/scheduler/twin_chunk.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace fleetcast::scheduler {
namespace {

using job_store::PositionSet;

// Doublings of the back-off; more would only overflow.
constexpr int kRetriesCounted = 16;

}  // namespace

TwinChunk::TwinChunk(job_store::LeasedChunk chunk, const TwinChunkOptions& options)
    : ChunkRun(std::move(chunk)), options_(options) {
  slices_.resize(static_cast<size_t>((target_count() + kSubBatchTargets - 1) / kSubBatchTargets));
  for (int number = 0; number < static_cast<int>(slices_.size()); ++number) {
    Slice& slice = slices_[static_cast<size_t>(number)];
    PositionSet all;
    for (int i = 0; i < SizeOf(number); ++i) all.Insert(FirstOf(number) + i);
    slice.open = all & (chunk_.pending | chunk_.in_flight);
    slice.marked = (slice.open & chunk_.pending).empty();
    if (slice.open.empty()) slice.state = State::kDone;
  }
}

int TwinChunk::SizeOf(int slice) const { return std::min(kSubBatchTargets, target_count() - FirstOf(slice)); }

int TwinChunk::at_hand() const {
  if (lost_) return 0;
  int targets = 0;
  for (const Slice& slice : slices_) {
    if (slice.state == State::kReady && !Blocked(slice)) targets += slice.open.size();
  }
  return targets;
}

Intent TwinChunk::BeginIssue(int limit) {
  Intent intent;
  if (lost_ || writing_) return intent;
  for (Slice& slice : slices_) {
    if (limit <= 0) break;
    if (slice.state != State::kReady || Blocked(slice)) continue;
    limit -= slice.open.size();
    slice.state = State::kIntending;
    intent.positions |= slice.open;
    if (!slice.marked) intent.mark |= slice.open & chunk_.pending;
    intent.is_repeat |= slice.marked;
  }
  issued_ |= intent.mark;
  writing_ = intent.needs_commit();
  return intent;
}

std::vector<int> TwinChunk::Issued(const Intent& intent, int writer, Moment now) {
  if (intent.needs_commit()) writing_ = false;
  std::vector<int> sent;
  for (int number = 0; number < static_cast<int>(slices_.size()); ++number) {
    Slice& slice = slices_[static_cast<size_t>(number)];
    if (slice.state != State::kIntending || (slice.open & intent.positions).empty()) continue;
    slice.state = State::kInFlight;
    slice.marked = true;
    slice.writer = writer;
    if (slice.issued == absl::InfinitePast()) slice.issued = now.wall;
    SetWake(slice, now.steady + options_.resend_after);
    sent.push_back(number);
  }
  return sent;
}

void TwinChunk::NotIssued(const Intent& intent, bool /*committed*/) {
  if (intent.needs_commit()) writing_ = false;
  to_clear_ |= intent.mark;
  for (Slice& slice : slices_) {
    if (slice.state == State::kIntending && !(slice.open & intent.positions).empty()) slice.state = State::kReady;
  }
}

void TwinChunk::OnResult(const SliceResult& result, Moment now, ChunkActions& actions) {
  if (result.slice < 0 || result.slice >= static_cast<int>(slices_.size())) return;
  Slice& slice = slices_[static_cast<size_t>(result.slice)];
  if (slice.state == State::kDone) return;
  if (result.disposition != SliceResult::Disposition::kApplied) {
    if (slice.state != State::kInFlight) return;
    Release(result.slice, actions);
    if (lost_ && result.disposition == SliceResult::Disposition::kNotApplied) {
      slice.state = State::kDone;  // The store decides: pending again, canceled or timed out.
      to_clear_ |= slice.open;
    } else if (lost_) {
      slice.state = State::kDone;  // Whoever owns it now repeats it.
    } else {
      Pause(slice, now);
    }
    return;
  }
  if (slice.state == State::kInFlight) Release(result.slice, actions);
  slice.state = State::kDone;
  to_clear_ -= slice.open;
  issued_ -= slice.open;
  auto failure = result.failures.begin();  // In order of the index.
  for (int i = 0; i < SizeOf(result.slice); ++i) {
    while (failure != result.failures.end() && failure->index < i) ++failure;
    const bool failed = failure != result.failures.end() && failure->index == i;
    const int position = FirstOf(result.slice) + i;
    if (!slice.open.Contains(position)) continue;
    const OutcomeTarget target{.lease = chunk_.lease, .position = position, .issued = slice.issued};
    actions.AddOutcome(
        OutcomeOfTwinWrite(target, failed ? failure->code : 0, failed ? failure->reason : std::string(), now.wall), {});
  }
}

void TwinChunk::Release(int number, ChunkActions& actions) const {
  const Slice& slice = slices_[static_cast<size_t>(number)];
  actions.released.insert(actions.released.end(), static_cast<size_t>(slice.open.size()), slice.writer);
}

void TwinChunk::SetWake(Slice& slice, absl::Duration when) {
  slice.wake = when;
  next_tick_ = std::min(next_tick_, when);
}

void TwinChunk::Pause(Slice& slice, Moment now) {
  slice.state = State::kPausing;
  SetWake(slice, now.steady + std::min(options_.retry_max, options_.retry_first * (1 << slice.retries)));
  if (slice.retries < kRetriesCounted) ++slice.retries;
}

void TwinChunk::OnPeerDown(int writer, Moment now) {
  for (Slice& slice : slices_) {
    if (slice.state != State::kInFlight || slice.writer != writer) continue;
    if (lost_) {
      slice.state = State::kDone;
    } else {
      Pause(slice, now);
    }
  }
}

void TwinChunk::Tick(Moment now, ChunkActions& actions) {
  if (now.steady < next_tick_) return;
  next_tick_ = absl::InfiniteDuration();
  for (int number = 0; number < static_cast<int>(slices_.size()); ++number) {
    Slice& slice = slices_[static_cast<size_t>(number)];
    if (slice.state != State::kInFlight && slice.state != State::kPausing) continue;
    if (slice.wake > now.steady) {
      next_tick_ = std::min(next_tick_, slice.wake);
      continue;
    }
    if (slice.state == State::kInFlight) Release(number, actions);
    slice.state = lost_ ? State::kDone : State::kReady;
  }
}

void TwinChunk::Lose(ChunkActions& /*actions*/) {
  lost_ = true;
  for (Slice& slice : slices_) {
    if (slice.state == State::kReady || slice.state == State::kPausing) slice.state = State::kDone;
  }
}

void TwinChunk::Abandon(ChunkActions& actions) {
  for (int number = 0; number < static_cast<int>(slices_.size()); ++number) {
    Slice& slice = slices_[static_cast<size_t>(number)];
    if (slice.state == State::kInFlight) Release(number, actions);
    slice.state = State::kDone;
  }
}

bool TwinChunk::drained() const { return lost_ && !writing_ && to_clear_.empty() && in_flight() == 0; }

int TwinChunk::in_flight() const {
  int targets = 0;
  for (const Slice& slice : slices_) {
    if (slice.state == State::kInFlight) targets += slice.open.size();
  }
  return targets;
}

int TwinChunk::unfinished() const {
  int targets = 0;
  for (const Slice& slice : slices_) {
    if (slice.state != State::kDone) targets += slice.open.size();
  }
  return targets;
}

}  // namespace fleetcast::scheduler
