#include "services/twin/store/feed_store.h"

#include <algorithm>

#include "libs/base/seeded_bug.h"
#include "libs/base/status_macros.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

constexpr Statement kRegister{"twin_feed_register",
                              "INSERT INTO twin.feed (consumer, position) "
                              "VALUES ($1, pg_current_snapshot()) ON CONFLICT DO NOTHING"};

constexpr Statement kLease{"twin_feed_lease",
                           "UPDATE twin.feed SET owner = $2, lease_until = clock_timestamp() + $3::interval "
                           "WHERE consumer = $1 AND (owner = $2 OR owner IS NULL OR lease_until < clock_timestamp()) "
                           "RETURNING position::text AS position"};

constexpr Statement kSnapshot{"twin_feed_snapshot", "SELECT pg_current_snapshot()::text AS snapshot"};

constexpr Statement kRead{"twin_feed_read",
                          "SELECT seq, device_ids, coalesce(desired_versions, '{}') AS desired_versions, "
                          "coalesce(patch, '') AS patch, disconnect FROM twin.outbox "
                          "WHERE xid >= pg_snapshot_xmin($1::text::pg_snapshot) "
                          "AND xid < pg_snapshot_xmax($2::text::pg_snapshot) "
                          "AND pg_visible_in_snapshot(xid, $2::text::pg_snapshot) "
                          "AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot) "
                          "AND seq > $3 ORDER BY seq LIMIT $4"};

constexpr Statement kAdvance{
    "twin_feed_advance", "UPDATE twin.feed SET position = $3::text::pg_snapshot WHERE consumer = $1 AND owner = $2"};

constexpr Statement kTrimFeed{
    "twin_feed_trim",
    "WITH heard AS (SELECT min(pg_snapshot_xmin(position)) AS position FROM twin.feed WHERE consumer = "
    "ANY($1::text[])) "
    "DELETE FROM twin.outbox WHERE (xid, seq) IN (SELECT xid, seq FROM twin.outbox "
    "WHERE xid < (SELECT position FROM heard) OR create_time < now() - $2::interval ORDER BY xid, seq LIMIT 10000)"};

constexpr Statement kForgetConsumers{"twin_feed_forget",
                                     "DELETE FROM twin.feed WHERE NOT consumer = ANY($1::text[]) "
                                     "AND (lease_until IS NULL OR lease_until < now() - $2::interval)"};

constexpr Statement kForgetDevices{"twin_feed_forget_devices",
                                   "DELETE FROM twin.deleted_device WHERE delete_time < now() - $1::interval"};

}  // namespace

absl::StatusOr<std::optional<std::string>> FeedStore::Lease(absl::Time deadline, std::string_view consumer,
                                                            std::string_view owner, absl::Duration lease) {
  FLEETCAST_ASSIGN_OR_RETURN(Result leased, pool_.Run(deadline, kLease, consumer, owner, lease));
  if (leased.empty()) {
    FLEETCAST_RETURN_IF_ERROR(pool_.Run(deadline, kRegister, consumer).status());
    FLEETCAST_ASSIGN_OR_RETURN(leased, pool_.Run(deadline, kLease, consumer, owner, lease));
  }
  if (leased.empty()) return std::nullopt;
  return leased[0].Get<std::string>("position");
}

absl::StatusOr<std::string> FeedStore::Snapshot(absl::Time deadline) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result snapshot, pool_.Run(deadline, kSnapshot));
  return snapshot[0].Get<std::string>("snapshot");
}

absl::StatusOr<std::vector<FeedRow>> FeedStore::Read(absl::Time deadline, const FeedWindow& window, int64_t after_seq,
                                                     int limit) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.Run(deadline, kRead, window.from, window.to, after_seq, limit));
  std::vector<FeedRow> out;
  out.reserve(rows.size());
  for (const Row row : rows) {
    out.push_back({row.Get<int64_t>("seq"), row.Get<std::vector<std::string>>("device_ids"),
                   row.Get<std::vector<int64_t>>("desired_versions"), row.Get<std::string>("patch"),
                   row.Get<bool>("disconnect")});
  }
  if (IsSeeded(SeededBug::kNotifyWithoutOrder)) std::reverse(out.begin(), out.end());
  return out;
}

absl::StatusOr<bool> FeedStore::Advance(absl::Time deadline, std::string_view consumer, std::string_view owner,
                                        std::string_view position) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result done, pool_.Run(deadline, kAdvance, consumer, owner, position));
  return done.affected_rows() == 1;
}

absl::StatusOr<int64_t> FeedStore::Trim(absl::Time deadline, const std::vector<std::string>& consumers,
                                        absl::Duration age) {
  FLEETCAST_RETURN_IF_ERROR(pool_.Run(deadline, kForgetConsumers, consumers, age).status());
  FLEETCAST_RETURN_IF_ERROR(pool_.Run(deadline, kForgetDevices, age).status());
  FLEETCAST_ASSIGN_OR_RETURN(const Result trimmed, pool_.Run(deadline, kTrimFeed, consumers, age));
  return trimmed.affected_rows();
}

}  // namespace fleetcast::twin
