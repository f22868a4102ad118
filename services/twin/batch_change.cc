#include "services/twin/batch_change.h"

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/reasons.h"
#include "services/twin/device_settings.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {
namespace {

using registry::v1::BatchChangeDevicesRequest;
using registry::v1::BatchChangeDevicesResponse;
using registry::v1::DeviceChange;

absl::StatusOr<NewDevice> ReadNewDevice(const DeviceChange& change) {
  NewDevice device;
  FLEETCAST_ASSIGN_OR_RETURN(device.settings, ReadSettings(change.device()));
  FLEETCAST_ASSIGN_OR_RETURN(const TwinEdit edit, ParseMerge(change.tags(), change.desired()));
  const absl::Time now = absl::Now();
  device.twin = FreshTwin(now);
  FLEETCAST_RETURN_IF_ERROR(ApplyEdit(edit, now, device.twin).status());
  return device;
}

class Batch {
 public:
  Batch(absl::Time deadline, const BatchChangeDevicesRequest& request, DeviceStore& devices, TwinStore& twins,
        BatchChangeDevicesResponse& response)
      : deadline_(deadline), request_(request), devices_(devices), twins_(twins), response_(response) {}

  absl::Status Run() {
    FLEETCAST_RETURN_IF_ERROR(Create());
    for (int i = 0; i < request_.changes_size(); ++i) {
      if (request_.changes(i).kind() == DeviceChange::KIND_CREATE || failures_.count(i) > 0) continue;
      const absl::StatusOr<std::optional<DeviceRow>> result = ChangeOne(request_.changes(i));
      if (!result.ok()) {
        failures_[i] = result.status();
      } else if (result->has_value()) {
        rows_[i] = **result;
      }
    }
    for (const auto& [i, status] : failures_) {
      registry::v1::DeviceChangeError& error = *response_.add_errors();
      error.set_index(i);
      error.set_device_id(request_.changes(i).device().id());
      error.set_reason(GetReason(status));
      error.set_message(std::string(status.message()));
    }
    for (const auto& [i, row] : rows_) ToProto(row, Secrets::kShow, response_.add_devices());
    return absl::OkStatus();
  }

 private:
  // All creations in one statement; marks devices that the request names more than once.
  absl::Status Create() {
    absl::flat_hash_set<std::string> named;
    absl::flat_hash_map<std::string, int> index_of;
    std::vector<NewDevice> created;
    for (int i = 0; i < request_.changes_size(); ++i) {
      const DeviceChange& change = request_.changes(i);
      if (!named.insert(change.device().id()).second) {
        failures_[i] = MakeError(absl::StatusCode::kInvalidArgument, reasons::kDeviceDefinedTwice,
                                 absl::StrCat("Device ", change.device().id(), " is named more than once"));
        continue;
      }
      if (change.kind() != DeviceChange::KIND_CREATE) continue;
      absl::StatusOr<NewDevice> device = ReadNewDevice(change);
      if (!device.ok()) {
        failures_[i] = device.status();
        continue;
      }
      index_of[device->settings.device_id] = i;
      created.push_back(*std::move(device));
    }
    FLEETCAST_ASSIGN_OR_RETURN(const std::vector<DeviceRow> rows, devices_.Create(deadline_, created));
    for (const DeviceRow& row : rows) {
      rows_[index_of[row.settings.device_id]] = row;
      index_of.erase(row.settings.device_id);
    }
    for (const auto& [id, i] : index_of) failures_[i] = DeviceAlreadyExists(id);
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<DeviceRow>> ChangeOne(const DeviceChange& change) {
    const std::string& id = change.device().id();
    switch (change.kind()) {
      case DeviceChange::KIND_UPDATE: return Update(change, "*");
      case DeviceChange::KIND_UPDATE_IF_MATCH: return Update(change, change.device().etag());
      case DeviceChange::KIND_DELETE: return Delete(id, "*");
      case DeviceChange::KIND_DELETE_IF_MATCH: return Delete(id, change.device().etag());
      case DeviceChange::KIND_UPDATE_TWIN: return EditTwin(change, "*");
      case DeviceChange::KIND_UPDATE_TWIN_IF_MATCH: return EditTwin(change, change.twin_etag());
      default: return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue, "unknown kind of change");
    }
  }

  absl::StatusOr<std::optional<DeviceRow>> Update(const DeviceChange& change, std::string_view etag) {
    FLEETCAST_ASSIGN_OR_RETURN(const DeviceSettings settings, ReadSettings(change.device()));
    FLEETCAST_ASSIGN_OR_RETURN(DeviceRow row, devices_.Update(deadline_, settings, EtagCondition::Parse(etag)));
    return row;
  }

  absl::StatusOr<std::optional<DeviceRow>> Delete(const std::string& id, std::string_view etag) {
    FLEETCAST_RETURN_IF_ERROR(devices_.Delete(deadline_, id, EtagCondition::Parse(etag)));
    return std::nullopt;
  }

  absl::StatusOr<std::optional<DeviceRow>> EditTwin(const DeviceChange& change, std::string_view etag) {
    FLEETCAST_ASSIGN_OR_RETURN(const TwinEdit edit, ParseMerge(change.tags(), change.desired()));
    FLEETCAST_RETURN_IF_ERROR(twins_.Edit(deadline_, change.device().id(), edit, EtagCondition::Parse(etag)).status());
    return std::nullopt;
  }

  const absl::Time deadline_;
  const BatchChangeDevicesRequest& request_;
  DeviceStore& devices_;
  TwinStore& twins_;
  BatchChangeDevicesResponse& response_;
  std::map<int, absl::Status> failures_;
  std::map<int, DeviceRow> rows_;
};

}  // namespace

absl::Status BatchChange(absl::Time deadline, const BatchChangeDevicesRequest& request, DeviceStore& devices,
                         TwinStore& twins, BatchChangeDevicesResponse& response) {
  const int count = request.changes_size();
  if (count < 1 || count > static_cast<int>(kDevicesPerBatchMax)) {
    return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidValue,
                     absl::StrCat("a batch needs 1 to ", kDevicesPerBatchMax, " changes, not ", count));
  }
  return Batch(deadline, request, devices, twins, response).Run();
}

}  // namespace fleetcast::twin
