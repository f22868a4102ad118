#include "services/twin/store/slice_store.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/twin/store/twin_writer.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

constexpr int32_t kCodeNotFound = 404001;
constexpr int32_t kCodeEtag = 412001;
constexpr int32_t kCodeLimits = 400004;

constexpr Statement kFind{"twin_slice_find",
                          "SELECT k.place, coalesce(a.failure_index, '{}') AS indexes, "
                          "coalesce(a.failure_code, '{}') AS codes, coalesce(a.failure_reason, '{}') AS reasons, "
                          "coalesce(a.failure_description, '{}') AS descriptions "
                          "FROM unnest($2::int[], $3::int[]) WITH ORDINALITY AS k (chunk, slice, place) "
                          "JOIN twin.applied_slice AS a ON a.job_seq = $1 AND a.chunk = k.chunk AND a.slice = k.slice"};

// Last statements of the transaction, and the permit's last gate: no row = too late. A concurrent repeat of a key waits
// here for the first and then fails on the primary key.
constexpr Statement kRecordSlice{
    "twin_slice_record",
    "INSERT INTO twin.applied_slice (job_seq, chunk, slice) "
    "SELECT $1::bigint, k.chunk, k.slice FROM unnest($2::int[], $3::int[]) AS k (chunk, slice) "
    "WHERE clock_timestamp() < $4::timestamptz RETURNING slice"};
constexpr Statement kRecordFailures{"twin_slice_record_failures",
                                    "INSERT INTO twin.applied_slice (job_seq, chunk, slice, failure_index, "
                                    "failure_code, failure_reason, failure_description) "
                                    "SELECT $1::bigint, $2::int, $3::int, $4::int[], $5::int[], $6::text[], $7::text[] "
                                    "WHERE clock_timestamp() < $8::timestamptz RETURNING slice"};

constexpr Statement kTrimSlices{
    "twin_slice_trim",
    "DELETE FROM twin.applied_slice WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM twin.applied_slice WHERE apply_time < now() - $1::interval LIMIT 5000))"};

std::vector<SliceFailure> ReadFailures(const Row& row) {
  const auto indexes = row.Get<std::vector<int32_t>>("indexes");
  const auto codes = row.Get<std::vector<int32_t>>("codes");
  const auto reasons = row.Get<std::vector<std::string>>("reasons");
  const auto descriptions = row.Get<std::vector<std::string>>("descriptions");
  std::vector<SliceFailure> failures;
  for (size_t i = 0; i < indexes.size(); ++i) failures.push_back({indexes[i], codes[i], reasons[i], descriptions[i]});
  return failures;
}

int32_t CodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound: return kCodeNotFound;
    case absl::StatusCode::kAborted: return kCodeEtag;
    default: return kCodeLimits;
  }
}

using Slices = std::vector<const Slice*>;

// The devices of all slices, ascending, each id once: the order of locks.
std::vector<std::string> LockOrder(const Slices& slices) {
  std::vector<std::string> ids;
  for (const Slice* slice : slices) ids.insert(ids.end(), slice->device_ids.begin(), slice->device_ids.end());
  if (!std::is_sorted(ids.begin(), ids.end())) std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// True when all ids together ascend, as those of one job do. Then no device is in two slices.
bool Ascend(std::span<const Slice> slices) {
  const std::string* last = nullptr;
  for (const Slice& slice : slices) {
    for (const std::string& id : slice.device_ids) {
      if (last != nullptr && id <= *last) return false;
      last = &id;
    }
  }
  return true;
}

// Raised inside the transaction to roll it back; never leaves this file.
absl::Status TooLate() { return absl::CancelledError("the permit has expired"); }

// Keys as the columns that unnest takes.
struct KeyColumns {
  void Add(const SliceKey& key) {
    chunks.push_back(key.chunk);
    numbers.push_back(key.slice);
  }
  std::vector<int32_t> chunks, numbers;
};

// Fills in the stored results of slices that were applied before.
absl::Status FindApplied(Transaction& transaction, std::span<const Slice> slices, std::vector<SliceResult>& results) {
  KeyColumns keys;
  for (const Slice& slice : slices) keys.Add(slice.key);
  FLEETCAST_ASSIGN_OR_RETURN(const Result found,
                             transaction.Run(kFind, slices.front().key.job_seq, keys.chunks, keys.numbers));
  for (const Row row : found) {
    results[static_cast<size_t>(row.Get<int64_t>("place") - 1)] = {true, ReadFailures(row)};
  }
  return absl::OkStatus();
}

std::vector<SliceFailure> FailuresOf(const Slice& slice, const absl::flat_hash_map<std::string, absl::Status>& failed) {
  std::vector<SliceFailure> failures;
  if (failed.empty()) return failures;
  for (size_t i = 0; i < slice.device_ids.size(); ++i) {
    const auto found = failed.find(slice.device_ids[i]);
    if (found == failed.end()) continue;
    const absl::Status& status = found->second;
    failures.push_back({static_cast<int32_t>(i), CodeOf(status), GetReason(status), std::string(status.message())});
  }
  return failures;
}

absl::Status RecordFailures(Transaction& transaction, const SliceKey& key, const std::vector<SliceFailure>& failures,
                            absl::Time permit) {
  std::vector<int32_t> indexes, codes;
  std::vector<std::string> reasons, descriptions;
  for (const SliceFailure& failure : failures) {
    indexes.push_back(failure.index);
    codes.push_back(failure.code);
    reasons.push_back(failure.reason);
    descriptions.push_back(failure.description);
  }
  FLEETCAST_ASSIGN_OR_RETURN(const Result recorded, transaction.Run(kRecordFailures, key.job_seq, key.chunk, key.slice,
                                                                    indexes, codes, reasons, descriptions, permit));
  return recorded.empty() ? TooLate() : absl::OkStatus();
}

// Stores the results under the keys of `slices`.
absl::Status Record(Transaction& transaction, const Slices& slices, const std::vector<SliceResult>& results,
                    absl::Time permit) {
  KeyColumns clean;
  for (size_t i = 0; i < slices.size(); ++i) {
    if (results[i].failures.empty()) {
      clean.Add(slices[i]->key);
    } else {
      FLEETCAST_RETURN_IF_ERROR(RecordFailures(transaction, slices[i]->key, results[i].failures, permit));
    }
  }
  if (clean.chunks.empty()) return absl::OkStatus();
  FLEETCAST_ASSIGN_OR_RETURN(const Result recorded, transaction.Run(kRecordSlice, slices.front()->key.job_seq,
                                                                    clean.chunks, clean.numbers, permit));
  return recorded.size() < static_cast<int>(clean.chunks.size()) ? TooLate() : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<SliceResult>> SliceStore::ApplyNew(Transaction& transaction,
                                                              const std::vector<const Slice*>& slices,
                                                              const Change& change) {
  FLEETCAST_ASSIGN_OR_RETURN(const absl::Time now, MergeWriter::PlanByKey(transaction));
  FLEETCAST_ASSIGN_OR_RETURN(const std::vector<std::string> left,
                             merges_.Merge(transaction, LockOrder(slices), change.edit, change.condition, now));
  absl::flat_hash_map<std::string, absl::Status> failed;
  if (!left.empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<absl::Status> statuses,
                               EditTwins(transaction, left, change.edit, change.condition));
    for (size_t i = 0; i < left.size(); ++i) {
      if (!statuses[i].ok()) failed.emplace(left[i], statuses[i]);
    }
  }
  std::vector<SliceResult> results;
  for (const Slice* slice : slices) results.push_back({true, FailuresOf(*slice, failed)});
  FLEETCAST_RETURN_IF_ERROR(Record(transaction, slices, results, change.permit));
  return results;
}

absl::StatusOr<std::vector<SliceResult>> SliceStore::ApplyTogether(absl::Time deadline, std::span<const Slice> slices,
                                                                   const Change& change) {
  std::vector<SliceResult> results;
  const auto attempt = [&](Transaction& transaction) -> absl::Status {
    results.assign(slices.size(), {});
    FLEETCAST_RETURN_IF_ERROR(FindApplied(transaction, slices, results));
    Slices fresh;
    for (size_t i = 0; i < slices.size(); ++i) {
      if (!results[i].is_applied) fresh.push_back(&slices[i]);
    }
    if (fresh.empty()) return absl::OkStatus();
    FLEETCAST_ASSIGN_OR_RETURN(std::vector<SliceResult> applied, ApplyNew(transaction, fresh, change));
    for (size_t i = 0, next = 0; i < slices.size(); ++i) {
      if (!results[i].is_applied) results[i] = std::move(applied[next++]);
    }
    return absl::OkStatus();
  };
  absl::Status status = pool_.Transact(deadline, attempt);
  // Somebody else has just applied one of the keys: a second look finds its result.
  if (absl::IsAlreadyExists(status)) status = pool_.Transact(deadline, attempt);
  // Too late: `results` has what was applied earlier, and nothing for the others.
  if (!status.ok() && !absl::IsCancelled(status)) return status;
  return results;
}

absl::StatusOr<std::vector<SliceResult>> SliceStore::Apply(absl::Time deadline, std::span<const Slice> slices,
                                                           const TwinEdit& edit, std::string_view if_match,
                                                           absl::Time permit) {
  const EtagCondition condition = EtagCondition::Parse(if_match);
  const Change change{edit, condition, permit};
  if (slices.size() <= 1 || Ascend(slices)) return ApplyTogether(deadline, slices, change);
  std::vector<SliceResult> results;
  for (size_t i = 0; i < slices.size(); ++i) {
    FLEETCAST_ASSIGN_OR_RETURN(std::vector<SliceResult> one, ApplyTogether(deadline, slices.subspan(i, 1), change));
    results.push_back(std::move(one.front()));
  }
  return results;
}

absl::StatusOr<int64_t> SliceStore::Trim(absl::Time deadline, absl::Duration age) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result done, pool_.Run(deadline, kTrimSlices, age));
  return done.affected_rows();
}

}  // namespace fleetcast::twin
