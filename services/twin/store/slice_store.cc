#include "services/twin/store/slice_store.h"

#include <algorithm>
#include <numeric>
#include <optional>

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
                          "SELECT coalesce(failure_index, '{}') AS indexes, coalesce(failure_code, '{}') AS codes, "
                          "coalesce(failure_reason, '{}') AS reasons, "
                          "coalesce(failure_description, '{}') AS descriptions "
                          "FROM twin.applied_slice WHERE job_seq = $1 AND chunk = $2 AND slice = $3"};

// Last statement of the transaction, and the permit's last gate: no row = too late. A concurrent repeat of the key
// waits here for the first and then fails on the primary key.
constexpr Statement kRecord{"twin_slice_record",
                            "INSERT INTO twin.applied_slice (job_seq, chunk, slice, failure_index, failure_code, "
                            "failure_reason, failure_description) "
                            "SELECT $1::bigint, $2::int, $3::int, $4::int[], $5::int[], $6::text[], $7::text[] "
                            "WHERE clock_timestamp() < $8::timestamptz RETURNING slice"};

constexpr Statement kTrim{"twin_slice_trim",
                          "DELETE FROM twin.applied_slice WHERE ctid = ANY(ARRAY("
                          "SELECT ctid FROM twin.applied_slice WHERE apply_time < now() - $1::interval LIMIT 5000))"};

struct FailureColumns {
  std::vector<int32_t> index, code;
  std::vector<std::string> reason, description;
};

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

// Positions of the devices in ascending order of their ids, each id once: the order of locks.
std::vector<int32_t> LockOrder(const std::vector<std::string>& device_ids) {
  std::vector<int32_t> order(device_ids.size());
  std::iota(order.begin(), order.end(), 0);
  const auto id = [&](int32_t i) -> const std::string& { return device_ids[static_cast<size_t>(i)]; };
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return id(a) < id(b); });
  order.erase(std::unique(order.begin(), order.end(), [&](int32_t a, int32_t b) { return id(a) == id(b); }),
              order.end());
  return order;
}

absl::StatusOr<std::optional<SliceResult>> Find(Transaction& transaction, const SliceKey& key) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result found, transaction.Run(kFind, key.job_seq, key.chunk, key.slice));
  if (found.empty()) return std::nullopt;
  return SliceResult{true, ReadFailures(found[0])};
}

// Raised inside the transaction to roll it back; never leaves this file.
absl::Status TooLate() { return absl::CancelledError("the permit has expired"); }

absl::StatusOr<SliceResult> ApplyNow(Transaction& transaction, const SliceKey& key,
                                     const std::vector<std::string>& device_ids, const TwinEdit& edit,
                                     const EtagCondition& condition, absl::Time permit) {
  const std::vector<int32_t> order = LockOrder(device_ids);
  std::vector<std::string> sorted;
  sorted.reserve(order.size());
  for (const int32_t i : order) sorted.push_back(device_ids[static_cast<size_t>(i)]);
  FLEETCAST_ASSIGN_OR_RETURN(const std::vector<absl::Status> statuses, EditTwins(transaction, sorted, edit, condition));
  SliceResult result{true, {}};
  for (size_t i = 0; i < statuses.size(); ++i) {
    if (statuses[i].ok()) continue;
    result.failures.push_back(
        {order[i], CodeOf(statuses[i]), GetReason(statuses[i]), std::string(statuses[i].message())});
  }
  std::sort(result.failures.begin(), result.failures.end(),
            [](const SliceFailure& a, const SliceFailure& b) { return a.index < b.index; });
  std::optional<FailureColumns> columns;
  if (!result.failures.empty()) columns.emplace();
  for (const SliceFailure& failure : result.failures) {
    columns->index.push_back(failure.index);
    columns->code.push_back(failure.code);
    columns->reason.push_back(failure.reason);
    columns->description.push_back(failure.description);
  }
  const auto column = [&](auto member) {
    return columns.has_value() ? std::make_optional((*columns).*member) : std::nullopt;
  };
  FLEETCAST_ASSIGN_OR_RETURN(const Result recorded,
                             transaction.Run(kRecord, key.job_seq, key.chunk, key.slice, column(&FailureColumns::index),
                                             column(&FailureColumns::code), column(&FailureColumns::reason),
                                             column(&FailureColumns::description), permit));
  if (recorded.empty()) return TooLate();
  return result;
}

}  // namespace

absl::StatusOr<SliceResult> SliceStore::Apply(absl::Time deadline, const SliceKey& key,
                                              const std::vector<std::string>& device_ids, const TwinEdit& edit,
                                              std::string_view if_match, absl::Time permit) {
  const EtagCondition condition = EtagCondition::Parse(if_match);
  const auto attempt = [&](Transaction& transaction) -> absl::StatusOr<SliceResult> {
    FLEETCAST_ASSIGN_OR_RETURN(std::optional<SliceResult> stored, Find(transaction, key));
    if (stored.has_value()) return *std::move(stored);
    return ApplyNow(transaction, key, device_ids, edit, condition, permit);
  };
  absl::StatusOr<SliceResult> result = pool_.Transact(deadline, attempt);
  // Somebody else has just applied the same key: a second look finds the result.
  if (absl::IsAlreadyExists(result.status())) result = pool_.Transact(deadline, attempt);
  if (absl::IsCancelled(result.status())) return SliceResult{};
  return result;
}

absl::StatusOr<int64_t> SliceStore::Trim(absl::Time deadline, absl::Duration age) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result done, pool_.Run(deadline, kTrim, age));
  return done.affected_rows();
}

}  // namespace fleetcast::twin
