#include "services/twin/batch_change.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/reasons.h"
#include "services/twin/device_settings.h"
#include "services/twin/registry_change.h"
#include "services/twin/store/device_store.h"

namespace fleetcast::twin {
namespace {

using registry::v1::BatchChangeDevicesRequest;
using registry::v1::BatchChangeDevicesResponse;
using registry::v1::DeviceChange;

// The changes that can be tried, and where they stand in the request.
struct Plan {
  std::vector<RegistryChange> changes;
  std::vector<int> index;
  std::map<int, absl::Status> failures;  // By index in the request.
};

Plan MakePlan(const BatchChangeDevicesRequest& request, const KeyVault& vault) {
  Plan plan;
  absl::flat_hash_set<std::string> named;
  const absl::Time now = absl::Now();
  for (int i = 0; i < request.changes_size(); ++i) {
    const DeviceChange& change = request.changes(i);
    const std::string name = Identity{change.device().id(), change.module_id()}.ToString();
    if (!named.insert(name).second) {
      plan.failures[i] = MakeError(absl::StatusCode::kInvalidArgument, reasons::kDeviceDefinedTwice,
                                   absl::StrCat(name, " is named more than once"));
      continue;
    }
    absl::StatusOr<RegistryChange> read = ReadChange(change, vault, now);
    if (!read.ok()) {
      plan.failures[i] = read.status();
      continue;
    }
    plan.changes.push_back(*std::move(read));
    plan.index.push_back(i);
  }
  return plan;
}

void AddErrors(const BatchChangeDevicesRequest& request, const std::map<int, absl::Status>& failures,
               BatchChangeDevicesResponse& response) {
  for (const auto& [i, status] : failures) {
    registry::v1::DeviceChangeError& error = *response.add_errors();
    error.set_index(i);
    error.set_device_id(request.changes(i).device().id());
    error.set_module_id(request.changes(i).module_id());
    error.set_reason(GetReason(status));
    error.set_message(std::string(status.message()));
  }
}

}  // namespace

absl::Status BatchChange(absl::Time deadline, const BatchChangeDevicesRequest& request, RegistryBatchStore& batches,
                         const KeyVault& vault, BatchChangeDevicesResponse& response) {
  const int count = request.changes_size();
  if (count < 1 || count > static_cast<int>(kDevicesPerBatchMax)) {
    return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue,
                     absl::StrCat("a batch needs 1 to ", kDevicesPerBatchMax, " changes, not ", count));
  }
  Plan plan = MakePlan(request, vault);
  FLEETCAST_ASSIGN_OR_RETURN(const std::vector<RegistryResult> results, batches.Apply(deadline, plan.changes));
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].status.ok()) {
      plan.failures[plan.index[i]] = results[i].status;
    } else if (results[i].row.has_value() && results[i].row->settings.module_id.empty()) {
      FLEETCAST_RETURN_IF_ERROR(ToProto(*results[i].row, &vault, response.add_devices()));
    }
  }
  AddErrors(request, plan.failures, response);
  return absl::OkStatus();
}

}  // namespace fleetcast::twin
