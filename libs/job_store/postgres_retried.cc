// The targets of an ended job for a job that repeats it.
#include <algorithm>
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

// Chunks that one statement looks through.
constexpr int kChunksPerQuery = 16;

constexpr Statement kFindRetriedJob{"jobs_find_retried", R"sql(
SELECT j.seq, j.frozen, j.stop,
       (SELECT t.chunk_no FROM jobs.chunk_target t WHERE t.job_seq = j.seq AND t.last_device > $2
        ORDER BY t.last_device LIMIT 1) AS chunk_no
FROM jobs.job j WHERE j.id = $1)sql"};

// The counters of a chunk tell whether it holds such a target at all. A target of an ended job without an outcome was
// canceled if the cancel found it untouched; else it timed out (chunk.h).
constexpr Statement kListRetried{"jobs_list_retried", R"sql(
WITH chosen AS MATERIALIZED (
  SELECT c.chunk_no, c.issued FROM jobs.chunk c
  WHERE c.job_seq = $1 AND c.chunk_no >= $2
    AND (3 = ANY ($3::smallint[]) AND c.succeeded > 0 OR 4 = ANY ($3) AND c.failed > 0
         OR 5 = ANY ($3) AND c.timed_out > 0 OR 6 = ANY ($3) AND c.canceled > 0 OR $4 AND c.device_errors > 0)
  ORDER BY c.chunk_no LIMIT $6)
SELECT chosen.chunk_no, coalesce(ids.of_chunk, '{}') AS device_ids
FROM chosen JOIN jobs.chunk_target t ON t.job_seq = $1 AND t.chunk_no = chosen.chunk_no
CROSS JOIN LATERAL (
  SELECT array_agg(d.id ORDER BY d.place) AS of_chunk
  FROM unnest(t.device_ids) WITH ORDINALITY AS d (id, place)
  LEFT JOIN (SELECT o.n, o.state, o.device_status FROM jobs.outcome o
             WHERE o.job_seq = $1 AND o.n >= chosen.chunk_no * 1000 AND o.n < (chosen.chunk_no + 1) * 1000) o
    ON o.n = chosen.chunk_no * 1000 + d.place - 1
  WHERE coalesce(o.state, CASE WHEN $5 = 1 AND get_bit(chosen.issued, (d.place - 1)::int) = 0 THEN 6 ELSE 5 END)
          = ANY ($3)
     OR $4 AND o.state = 3 AND o.device_status >= $7) ids
ORDER BY chosen.chunk_no)sql"};

}  // namespace

absl::StatusOr<std::vector<std::string>> PostgresJobStore::ListRetriedTargets(
    absl::Time deadline, const ListRetriedTargetsRequest& request) {
  const auto limit = static_cast<size_t>(std::clamp(request.limit, 1, kAppendTargetsMax));
  const RetriedTargets& retried = request.retried;
  std::vector<int> states;
  for (const ExecutionState state : retried.states) states.push_back(static_cast<int>(state));
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<std::vector<std::string>> {
    std::vector<std::string> device_ids;
    FLEETCAST_ASSIGN_OR_RETURN(const Result found,
                               transaction.Run(kFindRetriedJob, retried.job_id, request.after_device_id));
    if (found.empty()) return NoSuchJob(retried.job_id);
    std::optional<int32_t> chunk_no = found[0].Get<std::optional<int32_t>>("chunk_no");
    if (!found[0].Get<bool>("frozen")) return device_ids;
    while (chunk_no.has_value()) {
      FLEETCAST_ASSIGN_OR_RETURN(
          const Result rows,
          transaction.Run(kListRetried, found[0].Get<int64_t>("seq"), *chunk_no, states, retried.device_errors,
                          found[0].Get<int16_t>("stop"), kChunksPerQuery, kDeviceErrorStatus));
      chunk_no.reset();
      for (const Row row : rows) {
        for (std::string& id : row.Get<std::vector<std::string>>("device_ids")) {
          if (id > request.after_device_id && device_ids.size() < limit) device_ids.push_back(std::move(id));
        }
        if (rows.size() == kChunksPerQuery) chunk_no = row.Get<int32_t>("chunk_no") + 1;
      }
      if (device_ids.size() == limit) break;
    }
    return device_ids;
  });
}

}  // namespace fleetcast::job_store
