#include "services/twin/store/twin_writer.h"

#include <utility>

#include "libs/base/check.h"
#include "libs/base/status_macros.h"
#include "libs/model/ids.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/identity_sql.h"
#include "services/twin/store/identity_writer.h"
#include "services/twin/store/outbox.h"
#include "services/twin/store/stored_json.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Transaction;

json::Value ReadSection(const std::optional<std::string_view>& text) {
  return text.has_value() ? ReadStoredJson(*text) : json::Value();
}

TwinState ReadState(const Row& row) {
  TwinState state;
  state.etag = row.Get<int64_t>("etag");
  state.version = row.Get<int64_t>("version");
  state.desired_version = row.Get<int64_t>("desired_version");
  state.tags = ReadSection(row.Get<std::optional<std::string_view>>("tags"));
  state.desired = ReadSection(row.Get<std::optional<std::string_view>>("desired"));
  state.desired_metadata = ReadSection(row.Get<std::optional<std::string_view>>("desired_metadata"));
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

  absl::Status Run(Transaction& transaction, const IdentitySql& sql) const {
    if (!tags_.ids.empty()) {
      FLEETCAST_RETURN_IF_ERROR(transaction.Run(sql.write_tags, tags_.ids, tags_.tags).status());
    }
    if (!desired_.ids.empty()) {
      FLEETCAST_RETURN_IF_ERROR(
          transaction.Run(sql.write_desired, desired_.ids, desired_.desired, desired_.metadata).status());
    }
    if (!both_.ids.empty()) {
      FLEETCAST_RETURN_IF_ERROR(
          transaction.Run(sql.write_both, both_.ids, both_.tags, both_.desired, both_.metadata).status());
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

absl::StatusOr<Result> Lock(Transaction& transaction, const IdentitySql& sql, const std::vector<NamedEdit>& edits) {
  std::vector<std::string> names;
  names.reserve(edits.size());
  bool touches_tags = false;
  bool touches_desired = false;
  for (const NamedEdit& one : edits) {
    names.push_back(one.name);
    touches_tags |= one.edit->touches_tags();
    touches_desired |= one.edit->touches_desired();
  }
  return transaction.Run(sql.lock_twin, names, touches_tags, touches_desired);
}

// A twin is gone with its device; service clients are told of the device in either case (service-rest.md 9.1).
absl::Status NoSuchTwin(const std::string& name) {
  const absl::StatusOr<Identity> identity = ParseIdentity(name);
  return identity.ok() && !identity->module_id.empty() ? IdentityNotFound(*identity) : DeviceNotFound(name);
}

}  // namespace

absl::StatusOr<std::vector<absl::Status>> EditTwins(Transaction& transaction,
                                                    const std::vector<std::string>& device_ids, const TwinEdit& edit,
                                                    const EtagCondition& condition) {
  std::vector<NamedEdit> edits;
  edits.reserve(device_ids.size());
  for (const std::string& device_id : device_ids) edits.push_back({device_id, &edit, condition, nullptr});
  return EditTwins(transaction, edits);
}

absl::StatusOr<std::vector<absl::Status>> EditTwins(Transaction& transaction, const std::vector<NamedEdit>& edits) {
  FLEETCAST_CHECK(edits.size() <= kTwinsPerTransactionMax);
  std::vector<absl::Status> statuses;
  if (edits.empty()) return statuses;
  const IdentitySql& sql = edits.front().name.find('/') == std::string::npos ? DeviceSql() : ModuleSql();
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, Lock(transaction, sql, edits));
  statuses.reserve(edits.size());
  Writes writes;
  int next = 0;
  for (const NamedEdit& one : edits) {
    if (next == rows.size() || rows[next].Get<std::string_view>("device_id") != one.name) {
      statuses.push_back(NoSuchTwin(one.name));
      continue;
    }
    const Row row = rows[next++];
    TwinState state = ReadState(row);
    if (!one.condition.Matches(TwinEtag(static_cast<uint64_t>(state.etag)))) {
      statuses.push_back(EtagMismatch(one.name));
      continue;
    }
    const absl::StatusOr<EditEffect> effect = ApplyEdit(*one.edit, row.Get<absl::Time>("now"), state);
    statuses.push_back(effect.status());
    if (!effect.ok()) continue;
    writes.Add(one.name, state, *effect);
    if (one.is_changed != nullptr) *one.is_changed = effect->is_tags_changed || effect->is_desired_changed;
  }
  FLEETCAST_RETURN_IF_ERROR(writes.Run(transaction, sql));
  return statuses;
}

}  // namespace fleetcast::twin
