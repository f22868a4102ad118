// Reading how jobs stand on devices.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/job_store/errors.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/postgres_rows.h"

namespace fleetcast::job_store {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

// Chunks that one ListExecutions looks through at a time, and at most; a page may end early at the latter.
constexpr int kChunksPerStep = 4;
constexpr int kChunksPerPage = 64;

#define FLEETCAST_EXECUTION_COLUMNS                                                       \
  FLEETCAST_JOB_FACTS_COLUMNS ", " FLEETCAST_CHUNK_COLUMNS ", " FLEETCAST_OUTCOME_COLUMNS \
                              ", "                                                        \
                              "p.position "

constexpr Statement kGetExecution{"jobs_get_execution", "SELECT " FLEETCAST_EXECUTION_COLUMNS R"sql(
FROM jobs.job j
CROSS JOIN LATERAL (SELECT * FROM jobs.chunk_target t WHERE t.job_seq = j.seq AND t.last_device >= $2
                    ORDER BY t.last_device LIMIT 1) t
CROSS JOIN LATERAL (SELECT array_position(t.device_ids, $2::text) - 1 AS position) p
JOIN jobs.chunk c ON c.job_seq = j.seq AND c.chunk_no = t.chunk_no
LEFT JOIN jobs.outcome o ON o.job_seq = j.seq AND o.n = c.chunk_no * 1000 + p.position
WHERE j.id = $1 AND j.frozen AND p.position IS NOT NULL)sql"};

constexpr Statement kListOfDevice{"jobs_list_executions_of_device", "SELECT " FLEETCAST_EXECUTION_COLUMNS R"sql(
FROM jobs.chunk_target t
CROSS JOIN LATERAL (SELECT array_position(t.device_ids, $1::text) - 1 AS position) p
JOIN jobs.job j ON j.seq = t.job_seq
JOIN jobs.chunk c ON c.job_seq = t.job_seq AND c.chunk_no = t.chunk_no
LEFT JOIN jobs.outcome o ON o.job_seq = t.job_seq AND o.n = t.chunk_no * 1000 + p.position
WHERE jobs.device_range(t.first_device, t.last_device, '[]') @> $1::text AND p.position IS NOT NULL AND j.frozen
  AND ($2::bigint IS NULL OR j.seq < $2) AND ($3::smallint IS NULL OR j.kind = $3)
ORDER BY j.seq DESC LIMIT $4)sql"};

constexpr Statement kFindListedJob{"jobs_find_for_list",
                                   "SELECT " FLEETCAST_JOB_FACTS_COLUMNS ", j.frozen FROM jobs.job j WHERE j.id = $1"};

// Chunks from $2 on that hold an execution in one of the wanted states: their counters tell without a look at targets.
constexpr Statement kChunks{"jobs_chunks_for_list", "SELECT " FLEETCAST_CHUNK_COLUMNS R"sql(, t.device_ids
FROM jobs.chunk c JOIN jobs.chunk_target t USING (job_seq, chunk_no)
CROSS JOIN LATERAL (SELECT CASE WHEN c.state = 0 THEN c.size - bit_count(c.issued) ELSE 0 END AS pending,
                           c.succeeded + c.failed + c.timed_out + c.canceled AS ended) s
WHERE c.job_seq = $1 AND c.chunk_no >= $2
  AND (cardinality($3::smallint[]) = 0
       OR 1 = ANY ($3) AND s.pending > 0 OR 2 = ANY ($3) AND c.size - s.pending - s.ended > 0
       OR 3 = ANY ($3) AND c.succeeded > 0 OR 4 = ANY ($3) AND c.failed > 0
       OR 5 = ANY ($3) AND c.timed_out > 0 OR 6 = ANY ($3) AND c.canceled > 0)
ORDER BY c.chunk_no LIMIT $4)sql"};

constexpr Statement kOutcomeStates{"jobs_outcome_states", R"sql(
SELECT n, state FROM jobs.outcome WHERE job_seq = $1 AND n >= $2 AND n < $3)sql"};

constexpr Statement kOutcomes{"jobs_outcomes", "SELECT " FLEETCAST_OUTCOME_COLUMNS R"sql(
FROM jobs.outcome o WHERE o.job_seq = $1 AND o.n = ANY ($2::int[]))sql"};

std::vector<int> Numbers(const std::set<ExecutionState>& states) {
  std::vector<int> numbers;
  for (const ExecutionState state : states) numbers.push_back(static_cast<int>(state));
  return numbers;
}

bool Wanted(const std::set<ExecutionState>& states, ExecutionState state) {
  return states.empty() || states.contains(state);
}

// A row of FLEETCAST_EXECUTION_COLUMNS.
Execution ReadExecution(const Row& row, std::string_view device_id) {
  const ChunkRow chunk = ReadChunk(row);
  std::optional<Outcome> outcome;
  if (row.Get<std::optional<int32_t>>("n").has_value()) outcome = ReadOutcome(row);
  return Describe(ReadJobFacts(row), chunk.chunk, chunk.closed_time, row.Get<int32_t>("position"),
                  std::string(device_id), outcome.has_value() ? &*outcome : nullptr);
}

// A chunk of the listed job with its targets.
struct ListedChunk {
  ChunkRow row;
  std::vector<std::string> device_ids;
};

absl::StatusOr<std::vector<ListedChunk>> ReadChunks(Transaction& transaction, int64_t job_seq, int64_t from_chunk,
                                                    const std::vector<int>& states) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kChunks, job_seq, from_chunk, states, kChunksPerStep));
  std::vector<ListedChunk> chunks;
  for (const Row row : rows) chunks.push_back({ReadChunk(row), row.Get<std::vector<std::string>>("device_ids")});
  return chunks;
}

// Appends the executions of `chunk` after target `after_n` in the wanted states, until the page holds `limit`.
absl::Status AppendExecutions(Transaction& transaction, const JobFacts& job, const ListedChunk& chunk, int64_t after_n,
                              const std::set<ExecutionState>& states, size_t limit, std::vector<Execution>& page) {
  const Chunk& facts = chunk.row.chunk;
  const int64_t first_n = int64_t{facts.key.chunk_no} * kChunkTargets;
  FLEETCAST_ASSIGN_OR_RETURN(const Result ended,
                             transaction.Run(kOutcomeStates, job.seq, first_n, first_n + kChunkTargets));
  std::map<int64_t, ExecutionState> state_of;
  for (const Row row : ended) state_of[row.Get<int32_t>(0)] = static_cast<ExecutionState>(row.Get<int16_t>(1));

  std::vector<int64_t> chosen;
  for (int position = 0; position < facts.size && page.size() + chosen.size() < limit; ++position) {
    const int64_t n = first_n + position;
    const auto outcome = state_of.find(n);
    const ExecutionState state =
        outcome != state_of.end() ? outcome->second : StateWithoutOutcome(facts, job.stop, position);
    if (n > after_n && Wanted(states, state)) chosen.push_back(n);
  }
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kOutcomes, job.seq, chosen));
  std::map<int64_t, Outcome> outcomes;
  for (const Row row : rows) outcomes.emplace(row.Get<int32_t>("n"), ReadOutcome(row));
  for (const int64_t n : chosen) {
    const auto outcome = outcomes.find(n);
    const auto position = static_cast<int>(n - first_n);
    page.push_back(Describe(job, facts, chunk.row.closed_time, position, chunk.device_ids[position],
                            outcome == outcomes.end() ? nullptr : &outcome->second));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Execution> PostgresJobStore::GetExecution(absl::Time deadline, std::string_view job_id,
                                                         std::string_view device_id) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kGetExecution, job_id, device_id));
  if (!rows.empty()) return ReadExecution(rows[0], device_id);
  FLEETCAST_ASSIGN_OR_RETURN(const Result job, pool_.Run(deadline, kFindListedJob, job_id));
  if (job.empty()) return NoSuchJob(job_id);
  return NoSuchExecution(job_id, device_id);
}

absl::StatusOr<Page<Execution, int64_t>> PostgresJobStore::ListExecutions(absl::Time deadline,
                                                                          const ListExecutionsRequest& request) {
  const auto limit = static_cast<size_t>(std::clamp(request.page_size, 1, kPageSizeMax));
  const std::vector<int> states = Numbers(request.states);
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<Page<Execution, int64_t>> {
    Page<Execution, int64_t> page;
    FLEETCAST_ASSIGN_OR_RETURN(const Result found, transaction.Run(kFindListedJob, request.job_id));
    if (found.empty()) return NoSuchJob(request.job_id);
    if (!found[0].Get<bool>("frozen")) return page;
    const JobFacts job = ReadJobFacts(found[0]);

    int64_t after_n = request.after_n.value_or(-1);
    for (int seen = 0; seen < kChunksPerPage; seen += kChunksPerStep) {
      FLEETCAST_ASSIGN_OR_RETURN(const std::vector<ListedChunk> chunks,
                                 ReadChunks(transaction, job.seq, (after_n + 1) / kChunkTargets, states));
      for (const ListedChunk& chunk : chunks) {
        FLEETCAST_RETURN_IF_ERROR(
            AppendExecutions(transaction, job, chunk, after_n, request.states, limit, page.entries));
        if (page.entries.size() >= limit) {
          page.next = page.entries.back().n;
          return page;
        }
        after_n = (int64_t{chunk.row.chunk.key.chunk_no} + 1) * kChunkTargets - 1;
      }
      if (chunks.size() < kChunksPerStep) return page;
    }
    page.next = after_n;
    return page;
  });
}

absl::StatusOr<Page<Execution, int64_t>> PostgresJobStore::ListExecutionsOfDevice(
    absl::Time deadline, const ListDeviceExecutionsRequest& request) {
  const int limit = std::clamp(request.page_size, 1, kPageSizeMax);
  const std::optional<int> kind =
      request.kind.has_value() ? std::optional(static_cast<int>(*request.kind)) : std::nullopt;
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows,
                             pool_.Run(deadline, kListOfDevice, request.device_id, request.before_seq, kind, limit));
  Page<Execution, int64_t> page;
  for (const Row row : rows) {
    Execution execution = ReadExecution(row, request.device_id);
    if (Wanted(request.states, execution.state)) page.entries.push_back(std::move(execution));
  }
  if (rows.size() == limit) page.next = rows[limit - 1].Get<int64_t>("seq");
  return page;
}

}  // namespace fleetcast::job_store
