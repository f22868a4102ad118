// How targets end: by an outcome, or by time.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/postgres_rows.h"
#include "libs/job_store/postgres_saving.h"

namespace fleetcast::job_store {
namespace {

using postgres::Bytes;
using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

// Outcomes of one job, one element of the arrays each. The chunks are locked, so no other transaction can insert
// outcomes of these targets: what the probe does not find is not there, and the primary key stands behind it. (ON
// CONFLICT DO NOTHING inserts each row in two steps and logs both.) The first outcomes of a chunk need no probe. It is
// a scalar sub-select because a join could be planned as a scan of the whole table.
constexpr Statement kInsertOutcomes{"jobs_insert_outcomes", R"sql(
WITH inserted AS (
  INSERT INTO jobs.outcome (job_seq, n, state, device_status, error_code, error_reason, payload, start_time, end_time)
  SELECT $1, r.n, r.state, r.device_status, r.error_code, r.error_reason, r.payload, r.start_time, r.end_time
  FROM unnest($2::int[], $3::smallint[], $4::int[], $5::int[], $6::text[], $7::bytea[], $8::timestamptz[],
              $9::timestamptz[], $10::int[])
         AS r (n, state, device_status, error_code, error_reason, payload, start_time, end_time, ended_before)
  WHERE r.ended_before = 0 OR (SELECT o.n FROM jobs.outcome o WHERE o.job_seq = $1 AND o.n = r.n) IS NULL
  RETURNING n)
SELECT CASE WHEN count(*) < $11 THEN coalesce(array_agg(n), '{}') END AS ns FROM inserted)sql"};

// The same for runs: neighbours that ended alike, from n to `last`, are one element.
constexpr Statement kInsertOutcomeRuns{"jobs_insert_outcome_runs", R"sql(
WITH inserted AS (
  INSERT INTO jobs.outcome (job_seq, n, state, device_status, error_code, error_reason, payload, start_time, end_time)
  SELECT $1, t.n, r.state, r.device_status, r.error_code, r.error_reason, r.payload, r.start_time, r.end_time
  FROM unnest($2::int[], $3::smallint[], $4::int[], $5::int[], $6::text[], $7::bytea[], $8::timestamptz[],
              $9::timestamptz[], $10::int[], $12::int[])
         AS r (first, state, device_status, error_code, error_reason, payload, start_time, end_time, ended_before, last)
       CROSS JOIN LATERAL generate_series(r.first, r.last) AS t (n)
  WHERE r.ended_before = 0 OR (SELECT o.n FROM jobs.outcome o WHERE o.job_seq = $1 AND o.n = t.n) IS NULL
  RETURNING n)
SELECT CASE WHEN count(*) < $11 THEN coalesce(array_agg(n), '{}') END AS ns FROM inserted)sql"};

constexpr Statement kFindLate{"jobs_find_late", R"sql(
SELECT seq FROM jobs.job WHERE state IN (3, 4, 5) AND state <> 5 AND stop = 0 AND deadline <= now()
ORDER BY seq LIMIT $1)sql"};

constexpr Statement kFindDrained{"jobs_find_drained", R"sql(
SELECT seq FROM jobs.job WHERE state IN (3, 4, 5) AND stop <> 0 AND drain_until <= now() ORDER BY seq LIMIT $1)sql"};

constexpr Statement kExpire{"jobs_expire", R"sql(
UPDATE jobs.job SET stop = 2, stop_time = clock_timestamp(), drain_until = now() + $2::interval, pause_time = NULL,
       version = version + 1
WHERE seq = $1)sql"};

constexpr Statement kFailLate{"jobs_fail_late", R"sql(
UPDATE jobs.job SET state = $2, failure_reason = 'The execution time was over before the target devices were known.',
       pause_time = NULL, end_time = clock_timestamp(), version = version + 1 WHERE seq = $1)sql"};

int32_t NumberOf(const Outcome& outcome) { return outcome.lease.key.chunk_no * kChunkTargets + outcome.position; }

bool EndedAlike(const Outcome& a, const Outcome& b) {
  return a.state == b.state && a.device_status == b.device_status && a.error_code == b.error_code &&
         a.error_reason == b.error_reason && a.payload == b.payload && a.start_time == b.start_time &&
         a.end_time == b.end_time;
}

// An accepted outcome, and how many targets of its chunk had ended before.
struct Accepted {
  const Outcome* outcome;
  int ended_before;
};

// True when `next` belongs to the run that ends with `last`.
bool GoesOn(const Accepted& last, const Accepted& next) {
  return NumberOf(*next.outcome) == NumberOf(*last.outcome) + 1 && next.ended_before == last.ended_before &&
         EndedAlike(*last.outcome, *next.outcome);
}

// Runs have to be so long on average to be worth their expansion.
constexpr size_t kRunLengthMin = 4;

bool AreLongRuns(const std::vector<Accepted>& job) {
  size_t runs = 1;
  for (size_t i = 1; i < job.size(); ++i) runs += GoesOn(job[i - 1], job[i]) ? 0 : 1;
  return runs * kRunLengthMin <= job.size();
}

// Outcomes of one job as the columns of the statements above.
struct OutcomeColumns {
  OutcomeColumns(const std::vector<Accepted>& job, bool as_runs) {
    for (size_t i = 0; i < job.size(); ++i) {
      if (as_runs && i > 0 && GoesOn(job[i - 1], job[i])) {
        ++lasts.back();
      } else {
        Add(*job[i].outcome, job[i].ended_before);
      }
    }
  }

  void Add(const Outcome& outcome, int ended) {
    ns.push_back(NumberOf(outcome));
    lasts.push_back(ns.back());
    states.push_back(static_cast<int>(outcome.state));
    device_statuses.push_back(outcome.device_status);
    error_codes.push_back(outcome.error_code);
    error_reasons.push_back(outcome.error_reason.empty() ? std::nullopt : std::optional(outcome.error_reason));
    payloads.push_back(outcome.payload.empty() ? std::nullopt : std::optional(Bytes{outcome.payload}));
    start_times.push_back(outcome.start_time);
    end_times.push_back(outcome.end_time);
    ended_before.push_back(ended);
  }

  std::vector<int32_t> ns, lasts;
  std::vector<int> states;
  std::vector<std::optional<int32_t>> device_statuses;
  std::vector<int32_t> error_codes;
  std::vector<std::optional<std::string>> error_reasons;
  std::vector<std::optional<Bytes>> payloads;
  std::vector<std::optional<absl::Time>> start_times;
  std::vector<absl::Time> end_times;
  std::vector<int> ended_before;
};

// Inserts outcomes of one job, each target once. Gives the numbers of those that were not there before; nullopt when
// all of them are new.
absl::StatusOr<std::optional<std::set<int32_t>>> Insert(Transaction& transaction, int64_t job_seq,
                                                        const std::vector<Accepted>& job) {
  const bool as_runs = AreLongRuns(job);
  const OutcomeColumns c(job, as_runs);
  postgres::Params params =
      postgres::Params::Of(job_seq, c.ns, c.states, c.device_statuses, c.error_codes, c.error_reasons, c.payloads,
                           c.start_times, c.end_times, c.ended_before, job.size());
  if (as_runs) params.Add(c.lasts);
  FLEETCAST_ASSIGN_OR_RETURN(const Result inserted,
                             transaction.Execute(as_runs ? kInsertOutcomeRuns : kInsertOutcomes, params));
  const auto ns = inserted[0].Get<std::optional<std::vector<int32_t>>>("ns");
  if (!ns.has_value()) return std::optional<std::set<int32_t>>();
  return std::optional(std::set<int32_t>(ns->begin(), ns->end()));
}

// Those of `outcomes` that `locked` accepts, by job; counts the others. The first of several of one target stands.
std::map<int64_t, std::vector<Accepted>> Sort(std::span<const Outcome> outcomes, const LockedChunks& locked,
                                              RecordResult& result) {
  std::map<int64_t, std::vector<Accepted>> jobs;
  std::map<ChunkKey, PositionSet> seen;
  for (const Outcome& outcome : outcomes) {
    const ChunkKey& key = outcome.lease.key;
    const auto found = locked.find(key);
    if (found == locked.end() || !Accepts(found->second.chunk, outcome)) {
      ++result.refused;
      continue;
    }
    PositionSet& positions = seen[key];
    if (positions.Contains(outcome.position)) {
      ++result.repeated;
      continue;
    }
    positions.Insert(outcome.position);
    jobs[key.job_seq].push_back({&outcome, found->second.chunk.ended()});
  }
  return jobs;
}

// Inserts those of `outcomes` that `locked` accepts, and counts them there. Gives the chunks that changed.
absl::StatusOr<std::map<ChunkKey, Chunk>> InsertAndCount(Transaction& transaction, std::span<const Outcome> outcomes,
                                                         const LockedChunks& locked, RecordResult& result) {
  std::map<ChunkKey, Chunk> changed;
  for (const auto& [job_seq, job] : Sort(outcomes, locked, result)) {
    FLEETCAST_ASSIGN_OR_RETURN(const std::optional<std::set<int32_t>> fresh, Insert(transaction, job_seq, job));
    for (const auto& [outcome, ended_before] : job) {
      if (fresh.has_value() && !fresh->contains(NumberOf(*outcome))) {
        ++result.repeated;
        continue;
      }
      ++result.recorded;
      const ChunkKey& key = outcome->lease.key;
      Count(changed.try_emplace(key, locked.at(key).chunk).first->second, outcome->position, outcome->state,
            IsDeviceError(outcome->state, outcome->device_status));
    }
  }
  return changed;
}

// Stops a job whose execution time is over, or fails it when its targets are not even known. Adds it to `result`.
absl::Status ExpireOne(Transaction& transaction, int64_t seq, absl::Duration grace, ExpireResult& result) {
  FLEETCAST_ASSIGN_OR_RETURN(const LockedChunks chunks, LockUnfinishedChunks(transaction, seq));
  FLEETCAST_ASSIGN_OR_RETURN(std::optional<LockedJob> job, LockJob(transaction, seq));
  if (!job.has_value() || job->stop != StopKind::kNone) return absl::OkStatus();
  if (job->state == JobState::kResolving) {
    const JobState failed = *NextJobState(job->state, JobEvent::kFailed);
    FLEETCAST_RETURN_IF_ERROR(DropTargets(transaction, seq));
    FLEETCAST_RETURN_IF_ERROR(transaction.Run(kFailLate, seq, static_cast<int>(failed)).status());
    result.ended_jobs.push_back(job->id);
  } else if (job->state == JobState::kRunning) {
    FLEETCAST_RETURN_IF_ERROR(transaction.Run(kExpire, seq, grace).status());
    std::map<ChunkKey, Chunk> stopped;
    for (const auto& [key, row] : chunks) Stop(stopped.emplace(key, row.chunk).first->second, StopKind::kExpired);
    FLEETCAST_ASSIGN_OR_RETURN(Endings endings, SaveAndEnd(transaction, chunks, std::move(stopped)));
    std::move(endings.ended_jobs.begin(), endings.ended_jobs.end(), std::back_inserter(result.ended_jobs));
  } else {
    return absl::OkStatus();
  }
  ++result.expired;
  return absl::OkStatus();
}

// Gives up what is unanswered in a cancelled or expired job. Adds it to `result`.
absl::Status SettleOne(Transaction& transaction, int64_t seq, ExpireResult& result) {
  FLEETCAST_ASSIGN_OR_RETURN(const LockedChunks chunks, LockUnfinishedChunks(transaction, seq));
  std::map<ChunkKey, Chunk> settled;
  for (const auto& [key, row] : chunks) Settle(settled.emplace(key, row.chunk).first->second);
  FLEETCAST_ASSIGN_OR_RETURN(Endings endings, SaveAndEnd(transaction, chunks, std::move(settled)));
  std::move(endings.ended_jobs.begin(), endings.ended_jobs.end(), std::back_inserter(result.ended_jobs));
  ++result.settled;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RecordResult> PostgresJobStore::RecordOutcomes(absl::Time deadline, std::span<const Outcome> outcomes) {
  if (outcomes.empty()) return RecordResult();
  if (outcomes.size() > kRecordOutcomesMax) return absl::InvalidArgumentError("more than kRecordOutcomesMax at once");
  std::vector<ChunkKey> keys;
  for (const Outcome& outcome : outcomes) keys.push_back(outcome.lease.key);
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<RecordResult> {
    RecordResult result;
    FLEETCAST_ASSIGN_OR_RETURN(const LockedChunks locked, LockChunks(transaction, keys));
    FLEETCAST_ASSIGN_OR_RETURN(auto changed, InsertAndCount(transaction, outcomes, locked, result));
    FLEETCAST_ASSIGN_OR_RETURN(Endings endings, SaveAndEnd(transaction, locked, std::move(changed)));
    result.closed_chunks = std::move(endings.closed_chunks);
    result.ended_jobs = std::move(endings.ended_jobs);
    return result;
  });
}

absl::StatusOr<ExpireResult> PostgresJobStore::ExpireJobs(absl::Time deadline, absl::Duration grace, int limit) {
  ExpireResult total;
  FLEETCAST_ASSIGN_OR_RETURN(const Result late, pool_.Run(deadline, kFindLate, limit));
  FLEETCAST_ASSIGN_OR_RETURN(const Result drained, pool_.Run(deadline, kFindDrained, limit));
  // One transaction per job: each may write thousands of chunks.
  for (const Row row : late) {
    FLEETCAST_ASSIGN_OR_RETURN(total,
                               pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<ExpireResult> {
                                 ExpireResult result = total;
                                 FLEETCAST_RETURN_IF_ERROR(ExpireOne(transaction, row.Get<int64_t>(0), grace, result));
                                 return result;
                               }));
  }
  for (const Row row : drained) {
    FLEETCAST_ASSIGN_OR_RETURN(total,
                               pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<ExpireResult> {
                                 ExpireResult result = total;
                                 FLEETCAST_RETURN_IF_ERROR(SettleOne(transaction, row.Get<int64_t>(0), result));
                                 return result;
                               }));
  }
  return total;
}

}  // namespace fleetcast::job_store
