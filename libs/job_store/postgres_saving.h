// Writing back what happened in locked chunks, with the counters of their jobs, and ending jobs. Internal to this
// folder.
//
// Chunks of a job may be changed by many transactions at once, each its own. What they add up to is kept in a few rows
// a job (jobs.counter), of which a transaction takes one that nobody holds: so they do not wait for each other, and a
// reader finds in one snapshot all that has been committed. Jobs of up to kCounterStripes chunks have no counters.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/job_store/chunk.h"
#include "libs/job_store/job.h"
#include "libs/job_store/postgres_rows.h"
#include "libs/postgres/transaction.h"

namespace fleetcast::job_store {

// Counters of a job, and how many chunks it may have without any.
inline constexpr int kCounterStripes = 16;

// Gives a locked job that is about to run its counters, all of its targets being pending.
absl::Status AddCounters(postgres::Transaction& transaction, int64_t job_seq, int64_t target_count);

// Writes back `changed` chunks of `stored`, which is what LockChunks gave, and adds the difference to the counters of
// their jobs. A chunk that is no longer open loses its lease; one that is closed gets its closing time. `issued_now`:
// also stamps last_issue_time.
absl::Status SaveChunks(postgres::Transaction& transaction, const LockedChunks& stored,
                        const std::map<ChunkKey, Chunk>& changed, bool issued_now = false);

// Drops the targets and chunks of a locked job that ends before it runs.
absl::Status DropTargets(postgres::Transaction& transaction, int64_t job_seq);

// Ends a locked job when all its chunks are closed: state, end time, final counts. True when it did so.
absl::StatusOr<bool> EndIfComplete(postgres::Transaction& transaction, const LockedJob& job);

// What a transaction brought to its end.
struct Endings {
  std::vector<ChunkKey> closed_chunks;
  std::vector<std::string> ended_jobs;
};

// Closes those of the `changed` chunks that are complete, saves them all, and ends their jobs if that was the last one.
absl::StatusOr<Endings> SaveAndEnd(postgres::Transaction& transaction, const LockedChunks& stored,
                                   std::map<ChunkKey, Chunk> changed);

}  // namespace fleetcast::job_store
