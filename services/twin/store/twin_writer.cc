#include "services/twin/store/twin_writer.h"

#include <utility>

#include "libs/base/check.h"
#include "libs/base/status_macros.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/outbox.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

// Reads only the sections that the edit needs: the others stay compressed where they are.
constexpr Statement kLock{
    "twin_edit_lock",
    "SELECT device_id, etag, version, desired_version, CASE WHEN $2 THEN tags END AS tags, "
    "CASE WHEN $3 THEN desired END AS desired, CASE WHEN $3 THEN desired_metadata END AS desired_metadata, "
    "clock_timestamp() AS now FROM twin.twin WHERE device_id = ANY($1::text[]) ORDER BY device_id FOR NO KEY UPDATE"};

constexpr Statement kWriteTags{
    "twin_edit_tags",
    "UPDATE twin.twin AS t SET etag = t.etag + 1, version = t.version + 1, tags = u.tags "
    "FROM unnest($1::text[], $2::jsonb[]) AS u(device_id, tags) WHERE t.device_id = u.device_id"};

constexpr Statement kWriteDesired{
    "twin_edit_desired",
    "UPDATE twin.twin AS t SET etag = t.etag + 1, version = t.version + 1, desired_version = t.desired_version + 1, "
    "desired = u.desired, desired_metadata = u.metadata "
    "FROM unnest($1::text[], $2::jsonb[], $3::jsonb[]) AS u(device_id, desired, metadata) "
    "WHERE t.device_id = u.device_id"};

constexpr Statement kWriteBoth{
    "twin_edit_both",
    "UPDATE twin.twin AS t SET etag = t.etag + 1, version = t.version + 1, desired_version = t.desired_version + 1, "
    "tags = u.tags, desired = u.desired, desired_metadata = u.metadata "
    "FROM unnest($1::text[], $2::jsonb[], $3::jsonb[], $4::jsonb[]) AS u(device_id, tags, desired, metadata) "
    "WHERE t.device_id = u.device_id"};

// What was written by PostgreSQL from our own text reads back.
json::Value ReadJson(const std::optional<std::string_view>& text) {
  if (!text.has_value()) return json::Value();
  absl::StatusOr<json::Value> value = json::Parse(*text, {.bytes_max = size_t{64} << 20, .depth_max = 64});
  FLEETCAST_CHECK(value.ok());
  return *std::move(value);
}

TwinState ReadState(const Row& row) {
  TwinState state;
  state.etag = row.Get<int64_t>("etag");
  state.version = row.Get<int64_t>("version");
  state.desired_version = row.Get<int64_t>("desired_version");
  state.tags = ReadJson(row.Get<std::optional<std::string_view>>("tags"));
  state.desired = ReadJson(row.Get<std::optional<std::string_view>>("desired"));
  state.desired_metadata = ReadJson(row.Get<std::optional<std::string_view>>("desired_metadata"));
  return state;
}

// The rows to be written, by the statement that writes them.
class Writes {
 public:
  void Add(const std::string& device_id, const TwinState& state, const EditEffect& effect) {
    const bool is_both = effect.is_tags_changed && effect.is_desired_changed;
    Columns& columns = is_both ? both_ : effect.is_tags_changed ? tags_ : desired_;
    if (!effect.is_tags_changed && !effect.is_desired_changed) return;
    columns.ids.push_back(device_id);
    if (effect.is_tags_changed) columns.tags.push_back(json::Print(state.tags));
    if (effect.is_desired_changed) {
      columns.desired.push_back(json::Print(state.desired));
      columns.metadata.push_back(json::Print(state.desired_metadata));
      Tell(device_id, state.desired_version, effect.desired_patch);
    }
  }

  absl::Status Run(Transaction& transaction) const {
    if (!tags_.ids.empty()) {
      FLEETCAST_RETURN_IF_ERROR(transaction.Run(kWriteTags, tags_.ids, tags_.tags).status());
    }
    if (!desired_.ids.empty()) {
      FLEETCAST_RETURN_IF_ERROR(
          transaction.Run(kWriteDesired, desired_.ids, desired_.desired, desired_.metadata).status());
    }
    if (!both_.ids.empty()) {
      FLEETCAST_RETURN_IF_ERROR(
          transaction.Run(kWriteBoth, both_.ids, both_.tags, both_.desired, both_.metadata).status());
    }
    for (const Notice& notice : notices_) {
      FLEETCAST_RETURN_IF_ERROR(AppendDesiredChange(transaction, notice.ids, notice.versions, notice.patch));
    }
    return absl::OkStatus();
  }

 private:
  struct Columns {
    std::vector<std::string> ids, tags, desired, metadata;
  };
  struct Notice {
    std::string patch;
    std::vector<std::string> ids;
    std::vector<int64_t> versions;
  };

  // Devices that get the same patch, as all of a merge do, share one row of the outbox.
  void Tell(const std::string& device_id, int64_t version, const std::string& patch) {
    if (notices_.empty() || notices_.back().patch != patch) notices_.push_back({patch, {}, {}});
    notices_.back().ids.push_back(device_id);
    notices_.back().versions.push_back(version);
  }

  Columns tags_, desired_, both_;
  std::vector<Notice> notices_;
};

}  // namespace

absl::StatusOr<std::vector<absl::Status>> EditTwins(Transaction& transaction,
                                                    const std::vector<std::string>& device_ids, const TwinEdit& edit,
                                                    const EtagCondition& condition) {
  FLEETCAST_CHECK(device_ids.size() <= kTwinsPerTransactionMax);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows,
                             transaction.Run(kLock, device_ids, edit.touches_tags(), edit.touches_desired()));
  std::vector<absl::Status> statuses;
  statuses.reserve(device_ids.size());
  Writes writes;
  int next = 0;
  for (const std::string& device_id : device_ids) {
    if (next == rows.size() || rows[next].Get<std::string_view>("device_id") != device_id) {
      statuses.push_back(DeviceNotFound(device_id));
      continue;
    }
    const Row row = rows[next++];
    TwinState state = ReadState(row);
    if (!condition.Matches(TwinEtag(static_cast<uint64_t>(state.etag)))) {
      statuses.push_back(EtagMismatch(device_id));
      continue;
    }
    const absl::StatusOr<EditEffect> effect = ApplyEdit(edit, row.Get<absl::Time>("now"), state);
    statuses.push_back(effect.status());
    if (effect.ok()) writes.Add(device_id, state, *effect);
  }
  FLEETCAST_RETURN_IF_ERROR(writes.Run(transaction));
  return statuses;
}

}  // namespace fleetcast::twin
