// From due to frozen: starting jobs, resolving and storing their targets.
#include <algorithm>
#include <string>

#include "libs/base/status_macros.h"
#include "libs/job_store/errors.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/postgres_rows.h"
#include "libs/job_store/postgres_saving.h"

namespace fleetcast::job_store {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

constexpr int Number(JobState state) { return static_cast<int>(state); }

// The states that the set-based statements below write.
static_assert(NextJobState(JobState::kQueued, JobEvent::kDue) == JobState::kResolving);
static_assert(NextJobState(JobState::kScheduled, JobEvent::kDue) == JobState::kResolving);
static_assert(NextJobState(JobState::kQueued, JobEvent::kTimerArmed) == JobState::kScheduled);

constexpr Statement kStart{"jobs_start_due", R"sql(
UPDATE jobs.job j SET state = $1, started_time = now(), version = version + 1,
       deadline = now() + j.execution_timeout_us * interval '1 microsecond'
FROM (SELECT seq FROM jobs.job WHERE state IN (1, 2) AND due_time <= now() AND pause_time IS NULL
      ORDER BY due_time, seq LIMIT $2 FOR UPDATE SKIP LOCKED) due
WHERE j.seq = due.seq)sql"};

constexpr Statement kArm{"jobs_arm", R"sql(
UPDATE jobs.job SET state = $1, version = version + 1
WHERE seq IN (SELECT seq FROM jobs.job WHERE state = 1 AND due_time > now() AND pause_time IS NULL
              FOR UPDATE SKIP LOCKED))sql"};
static_assert(static_cast<int>(JobState::kQueued) == 1, "the predicate of an index, so not a parameter");

constexpr Statement kNextDue{"jobs_next_due", R"sql(
SELECT (extract(epoch FROM min(due_time) - clock_timestamp()) * 1000000)::bigint AS micros
FROM jobs.job WHERE state IN (1, 2) AND pause_time IS NULL)sql"};

constexpr Statement kAcquire{"jobs_acquire_resolve", R"sql(
UPDATE jobs.job j SET resolve_epoch = resolve_epoch + 1, resolve_owner = $1, resolve_lease_until = now() + $2::interval
FROM (SELECT seq FROM jobs.job
      WHERE state = 3 AND pause_time IS NULL AND (resolve_lease_until IS NULL OR resolve_lease_until < now())
      ORDER BY seq LIMIT 1 FOR UPDATE SKIP LOCKED) free
WHERE j.seq = free.seq
RETURNING j.seq, j.id, j.condition, j.resolve_epoch, j.last_device, j.target_count,
          )sql" FLEETCAST_RETRIED_COLUMNS};

constexpr Statement kLockResolve{"jobs_lock_resolve", R"sql(
SELECT state, resolve_epoch, last_device, target_count, chunk_count, frozen
FROM jobs.job WHERE seq = $1 FOR UPDATE)sql"};

constexpr Statement kAddChunks{"jobs_add_chunks", R"sql(
INSERT INTO jobs.chunk (job_seq, chunk_no, size) SELECT $1, * FROM unnest($2::int[], $3::smallint[]))sql"};

constexpr Statement kAdvanceResolve{"jobs_advance_resolve", R"sql(
UPDATE jobs.job SET last_device = $2, target_count = $3, chunk_count = $4,
       resolve_lease_until = now() + $5::interval WHERE seq = $1)sql"};

constexpr Statement kFreeze{"jobs_freeze", R"sql(
UPDATE jobs.job SET state = $2, frozen = true, counted = $3, resolve_owner = NULL, resolve_lease_until = NULL,
       version = version + 1
WHERE seq = $1)sql"};

constexpr Statement kFail{"jobs_fail", R"sql(
UPDATE jobs.job SET state = $2, failure_reason = $3, pause_time = NULL, end_time = clock_timestamp(),
       version = version + 1
WHERE seq = $1)sql"};

constexpr Statement kFindForFail{"jobs_find_for_fail", "SELECT seq, state FROM jobs.job WHERE id = $1 FOR UPDATE"};

const std::vector<std::string> kTargetColumns = {"job_seq", "chunk_no", "first_device", "last_device", "device_ids"};

// A page that AppendTargets may store after `last`: not too long, strictly ascending.
bool IsGoodPage(std::span<const std::string> device_ids, std::string_view last) {
  if (device_ids.size() > kAppendTargetsMax) return false;
  for (const std::string& id : device_ids) {
    if (id <= last) return false;
    last = id;
  }
  return true;
}

// Writes `device_ids` as chunks from `chunk_no` on. Returns how many chunks it made.
absl::StatusOr<int> InsertChunks(Transaction& transaction, int64_t job_seq, int chunk_no,
                                 std::span<const std::string> device_ids) {
  std::vector<int> numbers, sizes;
  std::vector<Params> targets;
  while (!device_ids.empty()) {
    const auto chunk = device_ids.first(std::min<size_t>(kChunkTargets, device_ids.size()));
    const int number = chunk_no + static_cast<int>(numbers.size());
    numbers.push_back(number);
    sizes.push_back(static_cast<int>(chunk.size()));
    targets.push_back(Params::Of(job_seq, number, chunk.front(), chunk.back(), chunk));
    device_ids = device_ids.subspan(chunk.size());
  }
  FLEETCAST_RETURN_IF_ERROR(transaction.Run(kAddChunks, job_seq, numbers, sizes).status());
  FLEETCAST_RETURN_IF_ERROR(transaction.CopyIn("jobs.chunk_target", kTargetColumns, targets).status());
  return static_cast<int>(numbers.size());
}

}  // namespace

absl::StatusOr<PromoteResult> PostgresJobStore::PromoteDue(absl::Time deadline, int limit) {
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::StatusOr<PromoteResult> {
    PromoteResult result;
    FLEETCAST_ASSIGN_OR_RETURN(const Result started, transaction.Run(kStart, Number(JobState::kResolving), limit));
    result.started = static_cast<int>(started.affected_rows());
    FLEETCAST_ASSIGN_OR_RETURN(const Result armed, transaction.Run(kArm, Number(JobState::kScheduled)));
    result.armed = static_cast<int>(armed.affected_rows());
    FLEETCAST_ASSIGN_OR_RETURN(const Result next, transaction.Run(kNextDue));
    if (const auto micros = next[0].Get<std::optional<int64_t>>("micros")) {
      result.until_next = absl::Microseconds(std::max<int64_t>(0, *micros));
    }
    return result;
  });
}

absl::StatusOr<std::optional<ResolveLease>> PostgresJobStore::AcquireResolve(absl::Time deadline,
                                                                             std::string_view owner,
                                                                             absl::Duration ttl) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kAcquire, owner, ttl));
  if (rows.empty()) return std::optional<ResolveLease>();
  const Row row = rows[0];
  ResolveLease lease;
  lease.job_seq = row.Get<int64_t>("seq");
  lease.job_id = row.Get<std::string>("id");
  lease.condition = row.Get<std::string>("condition");
  lease.epoch = row.Get<int64_t>("resolve_epoch");
  lease.retried = ReadRetried(row);
  lease.last_device_id = row.Get<std::string>("last_device");
  lease.target_count = row.Get<int64_t>("target_count");
  return std::optional<ResolveLease>(std::move(lease));
}

absl::Status PostgresJobStore::AppendTargets(absl::Time deadline, ResolveLease& lease,
                                             std::span<const std::string> device_ids, absl::Duration ttl) {
  if (!IsGoodPage(device_ids, lease.last_device_id)) {
    return absl::InvalidArgumentError("the page is too long or its ids do not ascend");
  }
  const std::string last_device_id = device_ids.empty() ? lease.last_device_id : device_ids.back();
  const int64_t target_count = lease.target_count + static_cast<int64_t>(device_ids.size());
  const absl::Status stored = pool_.Transact(deadline, [&](Transaction& transaction) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kLockResolve, lease.job_seq));
    if (rows.empty() || rows[0].Get<int16_t>("state") != Number(JobState::kResolving) ||
        rows[0].Get<int64_t>("resolve_epoch") != lease.epoch) {
      return LeaseLost();
    }
    const Row row = rows[0];
    const auto stored_count = row.Get<int64_t>("target_count");
    // A repeat after a commit whose answer was lost.
    if (stored_count == target_count && row.Get<std::string_view>("last_device") == last_device_id) {
      return absl::OkStatus();
    }
    if (stored_count != lease.target_count) return LeaseLost();
    const auto chunk_count = row.Get<int32_t>("chunk_count");
    FLEETCAST_ASSIGN_OR_RETURN(const int added, InsertChunks(transaction, lease.job_seq, chunk_count, device_ids));
    return transaction.Run(kAdvanceResolve, lease.job_seq, last_device_id, target_count, chunk_count + added, ttl)
        .status();
  });
  if (!stored.ok()) return stored;
  lease.last_device_id = last_device_id;
  lease.target_count = target_count;
  return absl::OkStatus();
}

absl::Status PostgresJobStore::FinishResolve(absl::Time deadline, const ResolveLease& lease) {
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kLockResolve, lease.job_seq));
    if (rows.empty() || rows[0].Get<int64_t>("resolve_epoch") != lease.epoch) return LeaseLost();
    const Row row = rows[0];
    if (row.Get<bool>("frozen")) return absl::OkStatus();
    const auto state = static_cast<JobState>(row.Get<int16_t>("state"));
    const std::optional<JobState> next = NextJobState(state, JobEvent::kTargetsFrozen);
    if (!next.has_value() || row.Get<int64_t>("target_count") != lease.target_count) return LeaseLost();
    const bool is_counted = row.Get<int32_t>("chunk_count") > kCounterStripes;
    FLEETCAST_RETURN_IF_ERROR(transaction.Run(kFreeze, lease.job_seq, Number(*next), is_counted).status());
    if (is_counted) return AddCounters(transaction, lease.job_seq, lease.target_count);
    // A job without targets has ended with this.
    return EndIfComplete(transaction, {.seq = lease.job_seq, .id = lease.job_id, .state = *next}).status();
  });
}

absl::Status PostgresJobStore::FailJob(absl::Time deadline, std::string_view job_id, std::string_view reason) {
  return pool_.Transact(deadline, [&](Transaction& transaction) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kFindForFail, job_id));
    if (rows.empty()) return NoSuchJob(job_id);
    const auto seq = rows[0].Get<int64_t>("seq");
    const auto state = static_cast<JobState>(rows[0].Get<int16_t>("state"));
    const std::optional<JobState> next = NextJobState(state, JobEvent::kFailed);
    if (!next.has_value() || state == JobState::kRunning) return JobNotInState(job_id);
    FLEETCAST_RETURN_IF_ERROR(DropTargets(transaction, seq));
    return transaction.Run(kFail, seq, Number(*next), reason).status();
  });
}

}  // namespace fleetcast::job_store
