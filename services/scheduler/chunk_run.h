// What every leased chunk can do, whatever its job does.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "libs/job_store/job.h"
#include "services/scheduler/moment.h"

namespace fleetcast::scheduler {

// Targets of one turn: what is issued together and sent in one batch; also one slice of a twin job.
inline constexpr int kSubBatchTargets = 250;
// Of a turn of a twin job: a whole chunk. Its slices are then marked, written and recorded together, each in one
// transaction; with a million devices that is three transactions for a thousand of them instead of a dozen.
inline constexpr int kTwinTurnTargets = job_store::kChunkTargets;

// What a chunk wants done. Chunks append; whoever acts on it clears.
struct ChunkActions {
  std::vector<job_store::Outcome> outcomes;
  std::vector<int> watch;     // Positions whose devices' connect events matter from now on.
  std::vector<int> unwatch;   // … no longer.
  std::vector<int> released;  // The peer's index, once for each target that is no longer in flight there.
};

// Targets that are about to be sent.
struct Intent {
  job_store::PositionSet positions;
  job_store::PositionSet mark;  // Those whose intent is not in the database yet: JobStore::MarkIssued comes first.
};

// One leased chunk: where each target stands and what may be done next. Pure: no I/O, no locks, time is an argument.
// Not thread-safe. A "peer" is a dispatcher or a twin writer, named by its index in the configured list.
//
// At most one write of the chunk's intents is under way at a time (`writing`), because two could overtake each other.
class ChunkRun {
 public:
  virtual ~ChunkRun() = default;

  const job_store::ChunkLease& lease() const { return chunk_.lease; }
  const job_store::Job& job() const { return *chunk_.job; }
  const std::string& device_id(int position) const { return chunk_.device_ids[static_cast<size_t>(position)]; }
  int target_count() const { return static_cast<int>(chunk_.device_ids.size()); }

  // How many targets BeginIssue could hand out now; 0 while a write of this chunk is under way.
  virtual int ready() const = 0;
  // Takes up to about `limit` targets. Exactly one of Issued (of the derived class) or NotIssued must follow.
  virtual Intent BeginIssue(int limit) = 0;
  // Nothing was sent (the commit is unclear, the lease is not trusted any more, the peer is gone): intents are taken
  // back before the targets are tried again.
  virtual void NotIssued(const Intent& intent) = 0;

  // Intents to take back (JobStore::ClearIssued); empty when there are none or a write is under way. EndClear follows.
  job_store::PositionSet BeginClear() {
    if (writing_ || to_clear_.empty()) return {};
    writing_ = true;
    return std::exchange(to_clear_, {});
  }
  // True when BeginClear would give something.
  bool wants_clear() const { return !writing_ && !to_clear_.empty(); }
  // `stored`: false when the statement failed for a reason that says nothing about the lease; it is begun again.
  void EndClear(const job_store::PositionSet& positions, bool stored) {
    writing_ = false;
    if (!stored) to_clear_ |= positions;
  }

  // The stream to `peer` broke.
  virtual void OnPeerDown(int peer, Moment now) = 0;
  // Ends waits that are over, retries what is due.
  virtual void Tick(Moment now, ChunkActions& actions) = 0;
  // Steady time of the next Tick that could do something; infinite when nothing is timed.
  absl::Duration next_tick() const { return next_tick_; }

  // Another owner, a cancel or an expiry has taken the chunk: nothing is issued or decided any more. Events of what is
  // in flight are still the truth and are recorded; the rest is left to the new owner.
  virtual void Lose(ChunkActions& actions) = 0;
  bool lost() const { return lost_; }
  // Lets go of what is in flight, for the count of the peers' credit; the object is of no use afterwards.
  virtual void Abandon(ChunkActions& actions) = 0;
  // Lost, and nothing can come any more: drop it.
  virtual bool drained() const = 0;

  // Targets sent to some peer whose end is not known.
  virtual int in_flight() const = 0;
  // Targets without an outcome.
  virtual int unfinished() const = 0;
  // All that is left waits for devices to connect: the chunk costs memory, not throughput.
  virtual bool only_waiting() const = 0;
  // True while MarkIssued or ClearIssued is under way.
  bool writing() const { return writing_; }

 protected:
  explicit ChunkRun(job_store::LeasedChunk chunk) : chunk_(std::move(chunk)) {}

  job_store::LeasedChunk chunk_;
  job_store::PositionSet to_clear_;  // Intents in the database that have to be taken back.
  absl::Duration next_tick_ = absl::InfiniteDuration();
  bool writing_ = false;
  bool lost_ = false;
};

}  // namespace fleetcast::scheduler
