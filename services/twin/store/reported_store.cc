#include "services/twin/store/reported_store.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/reasons.h"
#include "services/twin/store/device_store.h"
#include "services/twin/store/transact_once.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Statement;
using postgres::Transaction;

constexpr Statement kLock{"twin_reported_lock",
                          "SELECT device_id, version, reported_version, session_epoch, reported, reported_metadata, "
                          "clock_timestamp() AS now "
                          "FROM twin.twin WHERE device_id = ANY($1::text[]) ORDER BY device_id FOR NO KEY UPDATE"};

constexpr Statement kWrite{
    "twin_reported_write",
    "UPDATE twin.twin AS t SET version = u.version, reported_version = u.reported_version, session_epoch = u.epoch, "
    "reported = u.reported, reported_metadata = u.metadata "
    "FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::jsonb[], $6::jsonb[]) "
    "AS u(device_id, version, reported_version, epoch, reported, metadata) WHERE t.device_id = u.device_id"};

// One twin while the batch is applied.
struct OpenTwin {
  ReportedState state;
  int64_t session_epoch = 0;
  absl::Time now;
  bool is_changed = false;
};

json::Value ReadJson(std::string_view text) {
  absl::StatusOr<json::Value> value = json::Parse(text, {.bytes_max = size_t{64} << 20, .depth_max = 64});
  FLEETCAST_CHECK(value.ok());  // PostgreSQL prints what we wrote.
  return *std::move(value);
}

absl::StatusOr<std::map<std::string, OpenTwin>> Lock(Transaction& transaction,
                                                     const std::vector<ReportedPatch>& patches) {
  std::set<std::string> unique;
  for (const ReportedPatch& patch : patches) unique.insert(patch.device_id);
  const std::vector<std::string> ids(unique.begin(), unique.end());
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(kLock, ids));
  std::map<std::string, OpenTwin> twins;
  for (const Row row : rows) {
    OpenTwin& twin = twins[row.Get<std::string>("device_id")];
    twin.state.version = row.Get<int64_t>("version");
    twin.state.reported_version = row.Get<int64_t>("reported_version");
    twin.state.reported = ReadJson(row.Get<std::string_view>("reported"));
    twin.state.metadata = ReadJson(row.Get<std::string_view>("reported_metadata"));
    twin.session_epoch = row.Get<int64_t>("session_epoch");
    twin.now = row.Get<absl::Time>("now");
  }
  return twins;
}

ReportedResult ApplyOne(const ReportedPatch& patch, OpenTwin& twin) {
  if (patch.session_epoch < twin.session_epoch) {
    return MakeError(absl::StatusCode::kFailedPrecondition, reasons::kStaleSession,
                     "the session has been replaced by a newer one");
  }
  if (patch.if_version != 0 && patch.if_version != twin.state.reported_version) {
    return MakeError(absl::StatusCode::kAborted, reasons::kVersionMismatch,
                     absl::StrCat("the reported version is ", twin.state.reported_version));
  }
  if (patch.patch.object().empty()) return twin.state.reported_version;
  FLEETCAST_RETURN_IF_ERROR(ApplyReported(patch.patch, twin.now, twin.state));
  twin.session_epoch = patch.session_epoch;
  twin.is_changed = true;
  return twin.state.reported_version;
}

absl::Status Write(Transaction& transaction, const std::map<std::string, OpenTwin>& twins) {
  std::vector<std::string> ids, reported, metadata;
  std::vector<int64_t> versions, reported_versions, epochs;
  for (const auto& [id, twin] : twins) {
    if (!twin.is_changed) continue;
    ids.push_back(id);
    versions.push_back(twin.state.version);
    reported_versions.push_back(twin.state.reported_version);
    epochs.push_back(twin.session_epoch);
    reported.push_back(json::Print(twin.state.reported));
    metadata.push_back(json::Print(twin.state.metadata));
  }
  if (ids.empty()) return absl::OkStatus();
  return transaction.Run(kWrite, ids, versions, reported_versions, epochs, reported, metadata).status();
}

}  // namespace

absl::StatusOr<std::vector<ReportedResult>> ReportedStore::Apply(absl::Time deadline,
                                                                 const std::vector<ReportedPatch>& patches) {
  FLEETCAST_CHECK(patches.size() <= kReportedPerBatchMax);
  return TransactOnce(pool_, deadline, [&](Transaction& transaction) -> absl::StatusOr<std::vector<ReportedResult>> {
    using Twins = std::map<std::string, OpenTwin>;
    FLEETCAST_ASSIGN_OR_RETURN(Twins twins, Lock(transaction, patches));
    std::vector<ReportedResult> results;
    results.reserve(patches.size());
    for (const ReportedPatch& patch : patches) {
      const auto found = twins.find(patch.device_id);
      results.push_back(found == twins.end() ? ReportedResult(DeviceNotFound(patch.device_id))
                                             : ApplyOne(patch, found->second));
    }
    FLEETCAST_RETURN_IF_ERROR(Write(transaction, twins));
    return results;
  });
}

}  // namespace fleetcast::twin
