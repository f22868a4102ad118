// What every leased chunk can do, whatever its job does.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/job_store/job.h"
#include "services/scheduler/call_event.h"
#include "services/scheduler/device_names.h"
#include "services/scheduler/moment.h"

namespace fleetcast::scheduler {

// Targets of one turn: what is issued together and sent in one batch; also one slice of a twin job.
inline constexpr int kSubBatchTargets = 250;
// Of a turn of a twin job: a whole chunk. Its slices are then marked, written and recorded together, each in one
// transaction; with a million devices that is three transactions for a thousand of them instead of a dozen.
inline constexpr int kTwinTurnTargets = job_store::kChunkTargets;

// What a chunk wants done. Chunks append; whoever acts on it clears.
struct ChunkActions {
  // A call that its dispatcher may forget: nobody will ask about this attempt any more.
  struct Forget {
    int position = 0;
    CallSource source;
  };

  std::vector<job_store::Outcome> outcomes;
  std::vector<CallSource> sources;  // For each outcome: who told.
  std::vector<Forget> forget;
  std::vector<int> watch;     // Positions whose devices' connect events matter from now on; also to ask again.
  std::vector<int> unwatch;   // … no longer.
  std::vector<int> released;  // The peer's index, once for each target that is no longer in flight there.

  void AddOutcome(job_store::Outcome outcome, CallSource source) {
    outcomes.push_back(std::move(outcome));
    sources.push_back(source);
  }
};

// Targets that are about to be sent.
struct Intent {
  job_store::PositionSet positions;
  job_store::PositionSet mark;  // Those whose intent is not in the database yet: JobStore::MarkIssued comes first.
  std::map<int, int> retries;   // Those that are tried again, with the number of the retry: likewise.
  // Some are marked already and go out again, with a new permit: JobStore::MarkIssued proves first that the lease
  // stands. A cancel waits only for permits of intents that were committed before it.
  bool is_repeat = false;

  bool needs_commit() const { return !mark.empty() || !retries.empty() || is_repeat; }
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
  std::string_view device_id(int position) const {
    return names_.size() > 0 ? names_[position] : chunk_.device_ids[static_cast<size_t>(position)];
  }
  int target_count() const { return target_count_; }

  // How many targets BeginIssue could hand out now; 0 while a write of this chunk is under way.
  int ready() const { return writing_ ? 0 : at_hand(); }
  // The same, also while a write is under way.
  virtual int at_hand() const = 0;
  // How many of them were issued before and are tried again: they come first.
  virtual int again() const { return 0; }
  // Takes up to about `limit` targets. Exactly one of Issued (of the derived class) or NotIssued must follow.
  virtual Intent BeginIssue(int limit) = 0;
  // Nothing was sent (the commit is unclear, the lease is not trusted any more, the peer is gone): intents are taken
  // back before the targets are tried again. `committed`: they are certainly in the database.
  virtual void NotIssued(const Intent& intent, bool committed) = 0;

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
    if (stored) {
      issued_ -= positions;
    } else {
      to_clear_ |= positions;
    }
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
  // Targets without an end whose intent is in the database, or may be.
  int issued() const { return issued_.size(); }
  // Targets without an outcome.
  virtual int unfinished() const = 0;
  // All that is left waits for devices to connect: the chunk costs memory, not throughput.
  virtual bool only_waiting() const = 0;
  // True while MarkIssued or ClearIssued is under way.
  bool writing() const { return writing_; }

 protected:
  explicit ChunkRun(job_store::LeasedChunk chunk)
      : chunk_(std::move(chunk)),
        issued_(chunk_.in_flight),
        target_count_(static_cast<int>(chunk_.device_ids.size())) {}

  // From now on the ids are kept in little memory, and only device_id() gives them.
  void PackNames() {
    names_ = DeviceNames(chunk_.device_ids);
    std::vector<std::string>().swap(chunk_.device_ids);
  }

  job_store::LeasedChunk chunk_;
  job_store::PositionSet issued_;    // Intents in the database, or perhaps there, of targets without an end.
  job_store::PositionSet to_clear_;  // Those that have to be taken back.
  absl::Duration next_tick_ = absl::InfiniteDuration();
  bool writing_ = false;
  bool lost_ = false;

 private:
  const int target_count_;
  DeviceNames names_;
};

}  // namespace fleetcast::scheduler
