// The rules of one chunk: what may be issued, which outcomes count, when it is complete, and how each of its targets
// stands. Pure; both stores apply them to rows that they hold locked.
//
// A target has no row of its own before it ends. Its state follows from the chunk's state, its bit in `issued`, and
// whether it has an outcome (an outcome always sets the bit):
//
//   chunk      outcome   bit set, no outcome               bit not set
//   open       its own   running                           pending
//   cancelled  its own   running (sent before the cancel)  canceled, at the time of the cancel
//   expired    its own   running (sent before the expiry)  timed out (400024), at the time of the expiry
//   closed     its own   timed out (504101), at closing    as before it was closed
//
// The counters hold what has ended, with or without a row: size = ended + running + pending at all times (J6). A
// cancelled job of a million untouched targets is thus a thousand rows, and no outcome can be added later: outcomes for
// targets without a bit are refused once the chunk is not open (J4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "libs/job_store/job.h"

namespace fleetcast::job_store {

// Stored in jobs.chunk.state.
enum class ChunkState : int16_t {
  kOpen = 0,
  kCancelled = 1,  // The job was cancelled; issued targets may still answer.
  kExpired = 2,    // The job's execution time is over; issued targets may still answer.
  kClosed = 3,     // Every target has ended.
};

// Why a job stopped before its targets had ended; stored in jobs.job.stop.
enum class StopKind : int16_t { kNone = 0, kCancelled = 1, kExpired = 2 };

// The part of a chunk that changes.
struct Chunk {
  ChunkKey key;
  int size = 0;
  ChunkState state = ChunkState::kOpen;
  int64_t epoch = 0;
  PositionSet issued;
  int succeeded = 0;
  int failed = 0;
  int timed_out = 0;
  int canceled = 0;
  int device_errors = 0;  // Of `succeeded`.

  int ended() const { return succeeded + failed + timed_out + canceled; }
  // Neither issued nor ended.
  int pending() const { return state == ChunkState::kOpen ? size - issued.size() : 0; }
  // Issued and not ended.
  int running() const { return size - pending() - ended(); }
};

// Adds what `chunk` holds to `counts`, or takes it away.
void AddTo(JobCounts& counts, const Chunk& chunk);
void TakeFrom(JobCounts& counts, const Chunk& chunk);

// Whether whoever leased the chunk under `epoch` may act on it: it is open, and nobody has leased or stopped it since.
bool IsHeld(const Chunk& chunk, int64_t epoch);

// Records the intent to send to `positions` under `epoch`. False (and no effect) unless the chunk is open under that
// epoch and all positions are pending targets of it.
bool MarkIssued(Chunk& chunk, int64_t epoch, const PositionSet& positions);

// Whether targets that were sent before may be sent again under `epoch`: the chunk is open under it, they are issued,
// and none of them has an outcome. `ended`: the positions that have outcomes.
bool MayRetry(const Chunk& chunk, int64_t epoch, const PositionSet& positions, const PositionSet& ended);

// Takes the intent for `positions` back: nothing was sent. False (and no effect) when the chunk is open under another
// epoch, or closed. In a cancelled or expired chunk only its last owner's proof counts: the targets end. `ended`: the
// positions that have outcomes; they keep their bits.
bool ClearIssued(Chunk& chunk, int64_t epoch, const PositionSet& positions, const PositionSet& ended);

// Whether the outcome may be stored, if the target has none yet. One that says "not sent" counts from the last owner
// only.
bool Accepts(const Chunk& chunk, const Outcome& outcome);

// Counts an outcome that was stored; `is_device_error` as job.h says. Precondition: Accepts.
void Count(Chunk& chunk, int position, ExecutionState state, bool is_device_error);

// Closes the chunk when every target has ended. True when it did so now.
bool CloseIfComplete(Chunk& chunk);

// Takes the chunk from its owner, who can change nothing under his epoch any more. What was issued stays issued: the
// next owner asks what became of it. No effect unless the chunk is open. Pause and change of a job do this to all its
// chunks.
void VoidLease(Chunk& chunk);

// Stops the chunk for cancel or expiry: a new epoch, and everything not issued ends. No effect unless it is open.
void Stop(Chunk& chunk, StopKind kind);

// Gives up the unanswered targets of a cancelled or expired chunk: they are timed out. No effect on others.
void Settle(Chunk& chunk);

// What an execution's description needs besides its chunk.
struct JobFacts {
  int64_t seq = 0;
  std::string id;
  ActionKind kind = ActionKind::kInvokeMethod;
  absl::Time create_time;
  StopKind stop = StopKind::kNone;
  std::optional<absl::Time> stop_time;
};

// How the target at `position` stands, as the table above says.
// Precondition: it has no outcome.
ExecutionState StateWithoutOutcome(const Chunk& chunk, StopKind stop, int position);

// The execution of a target. `outcome` is null when it has none; its lease and position are not looked at.
Execution Describe(const JobFacts& job, const Chunk& chunk, std::optional<absl::Time> closed_time, int position,
                   std::string device_id, const Outcome* outcome);

// How a job ends whose targets have all ended: failed (then `failure_reason` says why) when its execution time was over
// before `never_attempted` > 0 of its targets; else completed or cancelled.
struct Ending {
  JobState state;
  std::string failure_reason;
};
Ending EndOf(JobState state, StopKind stop, int64_t never_attempted);

}  // namespace fleetcast::job_store
