// Upkeep of the tables: partitions made and dropped, old jobs removed, hot tables vacuumed.
//
// Each step is a transaction of its own under the same advisory lock, and does nothing that has been done: so it does
// not matter when another process leads in between.
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/job_store/postgres_job_store.h"

namespace fleetcast::job_store {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

// Jobs that one transaction removes, with their chunks: a row per thousand devices.
constexpr int kJobsPerPage = 50;
// Nobody waits longer than this behind a lock that is waited for here; what was not done then is done next time.
constexpr char kLockTimeout[] = "SET LOCAL lock_timeout = '200ms'";

constexpr Statement kLead{"jobs_upkeep_lead",
                          "SELECT pg_try_advisory_xact_lock(hashtextextended('fleetcast.jobs.upkeep', 0))"};

constexpr Statement kCreate{"jobs_create_partitions", R"sql(
SELECT count(*) FILTER (WHERE jobs.create_partition(jobs.today() + i)) FROM generate_series(0, 2) AS i)sql"};

// Days whose jobs have all ended longer than the retention ago.
constexpr Statement kFindOld{"jobs_find_old_partitions", R"sql(
SELECT p.name, p.from_seq, p.to_seq FROM jobs.partition p
WHERE p.to_seq <= jobs.first_seq(((now() - $1::interval) AT TIME ZONE 'UTC')::date)
  AND NOT EXISTS (SELECT FROM jobs.job j WHERE j.seq >= p.from_seq AND j.seq < p.to_seq
                  AND (j.end_time IS NULL OR j.end_time >= now() - $1::interval))
ORDER BY p.from_seq)sql"};

constexpr Statement kRemoveJobs{"jobs_remove_old", R"sql(
WITH removed AS (
  DELETE FROM jobs.job WHERE seq IN (SELECT seq FROM jobs.job WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT $3)
  RETURNING seq),
chunks AS (DELETE FROM jobs.chunk c USING removed WHERE c.job_seq = removed.seq),
counters AS (DELETE FROM jobs.counter s USING removed WHERE s.job_seq = removed.seq)
SELECT count(*) FROM removed)sql"};

constexpr Statement kDrop{"jobs_drop_partition", "SELECT jobs.drop_partition($1)"};

constexpr Statement kDefaultRows{"jobs_default_partition_rows", "SELECT jobs.default_partition_rows()"};

// Tables that are written in place, with many rows that an update or removal has left.
constexpr Statement kFindDead{"jobs_find_dead_rows", R"sql(
SELECT s.relname AS name, pg_has_role(c.relowner, 'USAGE') AS is_owner
FROM pg_stat_all_tables s JOIN pg_class c ON c.oid = s.relid
WHERE s.schemaname = 'jobs' AND s.relname IN ('chunk', 'counter', 'job')
  AND s.n_dead_tup > 1000 AND s.n_dead_tup > s.n_live_tup / 5
ORDER BY s.relname)sql"};

const std::map<std::string, Statement, std::less<>> kVacuum = {
    {"chunk", {"jobs_vacuum_chunks", "VACUUM (SKIP_LOCKED) jobs.chunk"}},
    {"counter", {"jobs_vacuum_counters", "VACUUM (SKIP_LOCKED) jobs.counter"}},
    {"job", {"jobs_vacuum_jobs", "VACUUM (SKIP_LOCKED) jobs.job"}},
};

// Runs `step` under the lock of the leader, which others do not wait for. `leads`: whether it ran.
template <typename Step>
absl::Status Lead(postgres::Pool& pool, absl::Time deadline, bool& leads, Step step) {
  return pool.Transact(deadline, [&](Transaction& transaction) -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(transaction.RunScript(kLockTimeout));
    FLEETCAST_ASSIGN_OR_RETURN(const Result lock, transaction.Run(kLead));
    leads = lock[0].Get<bool>(0);
    return leads ? step(transaction) : absl::OkStatus();
  });
}

// Removes the jobs of a day page by page. False when somebody else leads now.
absl::StatusOr<bool> RemoveJobs(postgres::Pool& pool, absl::Time deadline, const Row& day, int64_t& removed) {
  for (;;) {
    bool leads = false;
    int64_t page = 0;
    FLEETCAST_RETURN_IF_ERROR(Lead(pool, deadline, leads, [&](Transaction& transaction) -> absl::Status {
      FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kRemoveJobs, day.Get<int64_t>("from_seq"),
                                                                    day.Get<int64_t>("to_seq"), kJobsPerPage));
      page = rows[0].Get<int64_t>(0);
      return absl::OkStatus();
    }));
    removed += page;
    if (!leads || page == 0) return leads;
  }
}

absl::Status DropOld(postgres::Pool& pool, absl::Time deadline, absl::Duration retention, MaintainResult& result) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result old, pool.Run(deadline, kFindOld, retention));
  for (const Row day : old) {
    FLEETCAST_ASSIGN_OR_RETURN(bool leads, RemoveJobs(pool, deadline, day, result.jobs_removed));
    if (!leads) return absl::OkStatus();
    const auto name = day.Get<std::string>("name");
    bool dropped = false;
    FLEETCAST_RETURN_IF_ERROR(Lead(pool, deadline, leads, [&](Transaction& transaction) -> absl::Status {
      FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kDrop, name));
      dropped = rows[0].Get<bool>(0);
      return absl::OkStatus();
    }));
    if (dropped) result.partitions_dropped.push_back(name);
  }
  return absl::OkStatus();
}

absl::Status Vacuum(postgres::Pool& pool, absl::Time deadline, MaintainResult& result) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result tables, pool.Run(deadline, kFindDead));
  for (const Row row : tables) {
    auto name = row.Get<std::string>("name");
    if (!row.Get<bool>("is_owner")) {
      result.problems.push_back(absl::StrCat("vacuum: jobs.", name, " has many dead rows and belongs to another role"));
      continue;
    }
    FLEETCAST_RETURN_IF_ERROR(pool.Run(deadline, kVacuum.at(name)).status());
    result.tables_vacuumed.push_back(std::move(name));
  }
  return absl::OkStatus();
}

// A step that could not be done does not keep the others from being done.
void NoteUndone(std::string_view step, const absl::Status& status, MaintainResult& result) {
  if (!status.ok()) result.problems.push_back(absl::StrCat(Absl(step), ": ", status.ToString()));
}

}  // namespace

absl::StatusOr<MaintainResult> PostgresJobStore::Maintain(absl::Time deadline, const MaintainRequest& request) {
  MaintainResult result;
  // Without the partitions of the days to come the rest can wait.
  FLEETCAST_RETURN_IF_ERROR(Lead(pool_, deadline, result.is_leader, [&](Transaction& transaction) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const Result created, transaction.Run(kCreate));
    result.partitions_created = static_cast<int>(created[0].Get<int64_t>(0));
    return absl::OkStatus();
  }));
  if (!result.is_leader) return result;
  NoteUndone("retention", DropOld(pool_, deadline, request.retention, result), result);
  NoteUndone("vacuum", Vacuum(pool_, deadline, result), result);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kDefaultRows));
  result.default_partition_rows = rows[0].Get<int64_t>(0);
  return result;
}

}  // namespace fleetcast::job_store
