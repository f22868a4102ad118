// The chunks that this process holds a lease of, grouped by job.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "libs/telemetry/trace.h"
#include "services/scheduler/device_watch.h"
#include "services/scheduler/engine_context.h"
#include "services/scheduler/pacer.h"
#include "services/scheduler/recorder.h"

namespace fleetcast::scheduler {

// The held chunks of one job.
struct HeldJob {
  int64_t seq = 0;
  std::string id;
  job_store::ActionKind kind = job_store::ActionKind::kInvokeMethod;
  int chunks = 0;
  int ready = 0;                                 // Targets that could be issued now, over all chunks,
  int again = 0;                                 // … those of them that were issued before,
  int64_t issued = 0;                            // … and those that were issued and have no stored outcome.
  std::optional<Pacer> pacer;                    // Set when its rollout is limited.
  bool is_stopping = false;                      // An abort criterion is met: nothing more is started.
  std::deque<job_store::ChunkKey> ready_chunks;  // Those that have some; may name others.
};

// A leased chunk and what is kept beside it.
struct HeldChunk {
  HeldChunk(const LeaseTerms& terms, absl::Duration claimed) : trust(terms, claimed) {}

  std::unique_ptr<ChunkRun> run;
  MethodChunk* method = nullptr;  // One of the two is `run`.
  TwinChunk* twin = nullptr;
  HeldJob* job = nullptr;
  LeaseTrust trust;
  telemetry::Span span;  // From the lease to the end of the chunk.
  int64_t serial = 0;    // Tells this holding of the chunk from later ones.
  int ready = 0;         // As last told to the planner,
  int again = 0;         // … and counted in `job`,
  int issued = 0;        // … likewise.
  int taken = 0;         // In flight or about to be, as last told to the planner.
  int intending = 0;     // Between BeginIssue and the answer of MarkIssued.
  int unrecorded = 0;    // Outcomes that are not in the database yet.
  bool touched = false;  // Settle has to look at it.
  bool queued = false;   // In its job's ready_chunks.
  bool judging = false;  // The store is asked whether its job is over.
};

// Names one holding of a chunk, for answers that come later.
struct Holding {
  job_store::ChunkLease lease;
  int64_t serial = 0;
};

class HeldChunks {
 public:
  // All arguments outlive this.
  HeldChunks(EngineContext& context, Recorder& recorder, DeviceWatch& watch)
      : context_(context), recorder_(recorder), watch_(watch) {}

  // Takes a chunk that was just leased; `claimed`: steady time before the statement. An older holding of the same chunk
  // is forgotten: the new one asks what became of its calls. `more_issued`: see Pacer::OnLeased.
  HeldChunk& Hold(job_store::LeasedChunk chunk, absl::Duration claimed, bool more_issued);
  HeldChunk* Find(const job_store::ChunkKey& key);
  HeldChunk* Find(const Holding& holding);
  HeldChunk* FindSerial(int64_t serial);
  static Holding HoldingOf(const HeldChunk& held) { return {held.run->lease(), held.serial}; }

  // Acts on what the chunk asked for.
  void Act(HeldChunk& held, ChunkActions& actions);
  // The lease is lost: nothing more is issued.
  void Lose(HeldChunk& held);
  // Brings the counts of its job up to date; after BeginIssue, for the next turn of the job looks at them.
  void CountIssued(HeldChunk& held);
  // Tells the planners how many targets jobs with a limited rollout may start now.
  void SetPaces();
  // Outcomes of the chunk are in the database.
  void Recorded(const job_store::ChunkKey& key, int count);
  // Something about the chunk has changed: Settle will look at it.
  void Touch(HeldChunk& held);

  // Tells the planners what has changed and drops what has ended. Gives the leases to give back.
  std::vector<job_store::ChunkLease> Settle();
  // Chunks that have intents to take back, since the last call.
  std::vector<job_store::ChunkKey> TakeClears() { return std::exchange(clears_, {}); }
  // Lost chunks that need to know whether their job is over, since the last call.
  std::vector<job_store::ChunkKey> TakeUnjudged() { return std::exchange(unjudged_, {}); }
  // Whether its lease is trusted and the job's execution time is not over (reliability J9: when no process is there to
  // expire the job, nobody may issue from it either).
  bool MayIssue(const HeldChunk& held) const;
  // A chunk of the job that has something to issue and whose lease is trusted; nullptr when there is none.
  HeldChunk* NextReady(int64_t job_seq);
  // Another chunk of its job comes first next time.
  void PutLast(HeldChunk& held);

  template <typename Visit>
  void ForEach(Visit visit) {
    for (auto& [key, held] : chunks_) visit(*held);
  }
  size_t size() const { return chunks_.size(); }
  template <typename Visit>
  void ForEachJob(Visit visit) {
    for (auto& [seq, job] : jobs_) visit(*job);
  }
  HeldJob* FindJob(int64_t job_seq);

 private:
  std::unique_ptr<ChunkRun> MakeRun(job_store::LeasedChunk chunk, HeldChunk& held) const;
  HeldJob& JobOf(const job_store::Job& job);
  void SetPolicy(HeldJob& held, const job_store::Job& job);
  void Forget(const HeldChunk& held, const std::vector<ChunkActions::Forget>& calls);
  void TellPlanner(HeldChunk& held);
  bool HasEnded(const HeldChunk& held) const;
  void Drop(HeldChunk& held);

  EngineContext& context_;
  Recorder& recorder_;
  DeviceWatch& watch_;
  // Ordered, so that a simulated run is the same each time.
  absl::btree_map<job_store::ChunkKey, std::unique_ptr<HeldChunk>> chunks_;
  absl::btree_map<int64_t, std::unique_ptr<HeldJob>> jobs_;
  absl::flat_hash_map<int64_t, HeldChunk*> by_serial_;
  std::vector<job_store::ChunkKey> touched_;
  std::vector<job_store::ChunkKey> clears_;
  std::vector<job_store::ChunkKey> unjudged_;
  int64_t serials_ = 0;
};

}  // namespace fleetcast::scheduler
