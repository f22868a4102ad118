#include "services/twin/store/reported_store.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/ids.h"
#include "libs/model/reasons.h"
#include "services/twin/store/identity_writer.h"
#include "services/twin/store/session_sql.h"
#include "services/twin/store/stored_json.h"
#include "services/twin/store/transact_once.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Row;
using postgres::Transaction;

// One twin while the batch is applied.
struct OpenTwin {
  ReportedState state;
  int64_t session_epoch = 0;
  absl::Time now;
  bool is_changed = false;
};

// By name.
using Twins = std::map<std::string, OpenTwin>;

absl::Status LockKind(Transaction& transaction, const SessionSql& sql, const std::vector<std::string>& names,
                      Twins& twins) {
  if (names.empty()) return absl::OkStatus();
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, transaction.Run(sql.lock_reported, names));
  for (const Row row : rows) {
    OpenTwin& twin = twins[row.Get<std::string>("device_id")];
    twin.state.version = row.Get<int64_t>("version");
    twin.state.reported_version = row.Get<int64_t>("reported_version");
    twin.state.reported = ReadStoredJson(row.Get<std::string_view>("reported"));
    twin.state.metadata = ReadStoredJson(row.Get<std::string_view>("reported_metadata"));
    twin.session_epoch = row.Get<int64_t>("session_epoch");
    twin.now = row.Get<absl::Time>("now");
  }
  return absl::OkStatus();
}

// Modules before devices, the order in which a deletion takes them.
absl::StatusOr<Twins> Lock(Transaction& transaction, const std::vector<ReportedPatch>& patches) {
  std::set<std::string> unique;
  for (const ReportedPatch& patch : patches) unique.insert(patch.device_id);
  std::vector<std::string> devices, modules;
  for (const std::string& name : unique) (IsModuleName(name) ? modules : devices).push_back(name);
  Twins twins;
  FLEETCAST_RETURN_IF_ERROR(LockKind(transaction, ModuleSessionSql(), modules, twins));
  FLEETCAST_RETURN_IF_ERROR(LockKind(transaction, DeviceSessionSql(), devices, twins));
  return twins;
}

ReportedResult NoSuchReporter(const std::string& name) {
  const absl::StatusOr<Identity> identity = ParseIdentity(name);
  return IdentityNotFound(identity.ok() ? *identity : Identity{name, ""});
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

// Changed twins of one kind as parallel arrays.
struct ReportedColumns {
  std::vector<std::string> names, reported, metadata;
  std::vector<int64_t> versions, reported_versions, epochs;

  void Add(const std::string& name, const OpenTwin& twin) {
    names.push_back(name);
    versions.push_back(twin.state.version);
    reported_versions.push_back(twin.state.reported_version);
    epochs.push_back(twin.session_epoch);
    reported.push_back(json::Print(twin.state.reported));
    metadata.push_back(json::Print(twin.state.metadata));
  }
  absl::Status Write(Transaction& transaction, const SessionSql& sql) const {
    if (names.empty()) return absl::OkStatus();
    return transaction.Run(sql.write_reported, names, versions, reported_versions, epochs, reported, metadata).status();
  }
};

absl::Status Write(Transaction& transaction, const Twins& twins) {
  ReportedColumns devices, modules;
  for (const auto& [name, twin] : twins) {
    if (twin.is_changed) (IsModuleName(name) ? modules : devices).Add(name, twin);
  }
  FLEETCAST_RETURN_IF_ERROR(modules.Write(transaction, ModuleSessionSql()));
  return devices.Write(transaction, DeviceSessionSql());
}

}  // namespace

absl::StatusOr<std::vector<ReportedResult>> ReportedStore::Apply(absl::Time deadline,
                                                                 const std::vector<ReportedPatch>& patches) {
  FLEETCAST_CHECK(patches.size() <= kReportedPerBatchMax);
  return TransactOnce(pool_, deadline, [&](Transaction& transaction) -> absl::StatusOr<std::vector<ReportedResult>> {
    FLEETCAST_ASSIGN_OR_RETURN(Twins twins, Lock(transaction, patches));
    std::vector<ReportedResult> results;
    results.reserve(patches.size());
    for (const ReportedPatch& patch : patches) {
      const auto found = twins.find(patch.device_id);
      results.push_back(found == twins.end() ? NoSuchReporter(patch.device_id) : ApplyOne(patch, found->second));
    }
    FLEETCAST_RETURN_IF_ERROR(Write(transaction, twins));
    return results;
  });
}

}  // namespace fleetcast::twin
