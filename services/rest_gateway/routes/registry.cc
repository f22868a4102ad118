#include "services/rest_gateway/routes/registry.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"
#include "services/rest_gateway/azure_errors.h"
#include "services/rest_gateway/backends.h"
#include "services/rest_gateway/routes/device_wire.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {
namespace {

using DeviceAsync = registry::v1::DeviceService::StubInterface::async_interface;

// Identities that `GET /devices` answers at most and by default.
constexpr int kListMax = 1000;

void AnswerDevice(Exchange& exchange, const registry::v1::Device& device) {
  exchange.Answer(PrintDevice(device), {{"ETag", QuotedEtag(device.etag())}});
}

// Bulk failures carry a header of their own, by which the .NET SDK knows that the body is a result.
void AnswerBulk(Exchange& exchange, const std::vector<BulkError>& errors) {
  constexpr char kFailure[] = "BulkRegistryOperationFailure";
  if (errors.empty()) return exchange.Answer(PrintBulkResult(errors));
  exchange.Answer(400, PrintBulkResult(errors), {{"IotHubErrorCode", kFailure}, {"iothub-errorcode", kFailure}});
}

}  // namespace

void RegistryRoutes::Put(const ExchangePtr& exchange) const {
  const absl::StatusOr<json::Value> body = ParseObjectBody(exchange->request());
  if (!body.ok()) return exchange->Fail(body.status());
  absl::StatusOr<registry::v1::Device> device = ParseDevice(exchange->captured(0), *body);
  if (!device.ok()) return exchange->Fail(device.status());
  if (std::optional<std::string> if_match = IfMatch(exchange->request())) {
    registry::v1::UpdateDeviceRequest request;
    *request.mutable_device() = *std::move(device);
    request.set_if_match(*std::move(if_match));
    return CallOrFail(
        exchange, kWriteLimit, "fleetcast.registry.v1.DeviceService/UpdateDevice", backends_.devices().async(),
        &DeviceAsync::UpdateDevice, std::move(request),
        [exchange](const registry::v1::UpdateDeviceResponse& response) { AnswerDevice(*exchange, response.device()); });
  }
  registry::v1::CreateDeviceRequest request;
  *request.mutable_device() = *std::move(device);
  CallOrFail(
      exchange, kWriteLimit, "fleetcast.registry.v1.DeviceService/CreateDevice", backends_.devices().async(),
      &DeviceAsync::CreateDevice, std::move(request),
      [exchange](const registry::v1::CreateDeviceResponse& response) { AnswerDevice(*exchange, response.device()); });
}

void RegistryRoutes::Get(const ExchangePtr& exchange) const {
  registry::v1::GetDeviceRequest request;
  request.set_device_id(exchange->captured(0));
  CallOrFail(exchange, kReadLimit, "fleetcast.registry.v1.DeviceService/GetDevice", backends_.devices().async(),
             &DeviceAsync::GetDevice, std::move(request), [exchange](const registry::v1::GetDeviceResponse& response) {
               AnswerDevice(*exchange, response.device());
             });
}

void RegistryRoutes::Delete(const ExchangePtr& exchange) const {
  std::optional<std::string> if_match = IfMatch(exchange->request());
  if (!if_match) {
    return exchange->Fail(MakeError(absl::StatusCode::kAborted, reasons::kEtagMismatch, "Etag missing"));
  }
  registry::v1::DeleteDeviceRequest request;
  request.set_device_id(exchange->captured(0));
  request.set_if_match(*std::move(if_match));
  CallOrFail(exchange, kWriteLimit, "fleetcast.registry.v1.DeviceService/DeleteDevice", backends_.devices().async(),
             &DeviceAsync::DeleteDevice, std::move(request),
             [exchange](const registry::v1::DeleteDeviceResponse&) { exchange->AnswerEmpty(); });
}

void RegistryRoutes::List(const ExchangePtr& exchange) const {
  int top = kListMax;
  const std::string_view text = exchange->request().FindQuery("top").value_or("");
  if (!text.empty() && (!absl::SimpleAtoi(Absl(text), &top) || top < 1 || top > kListMax)) {
    return exchange->Fail(BadRequest(kArgumentInvalid, absl::StrCat("top must be 1 to ", kListMax)));
  }
  registry::v1::ListDevicesRequest request;
  request.set_page_size(top);
  CallOrFail(exchange, kQueryLimit, "fleetcast.registry.v1.DeviceService/ListDevices", backends_.devices().async(),
             &DeviceAsync::ListDevices, std::move(request),
             [exchange](const registry::v1::ListDevicesResponse& response) {
               std::vector<std::string> rows;
               for (const registry::v1::Device& device : response.devices()) rows.push_back(PrintDevice(device));
               exchange->Answer(absl::StrCat("[", absl::StrJoin(rows, ","), "]"));
             });
}

void RegistryRoutes::Bulk(const ExchangePtr& exchange) const {
  const absl::StatusOr<json::Value> body = ParseBody(exchange->request());
  if (!body.ok()) return exchange->Fail(body.status());
  absl::StatusOr<std::vector<BulkElement>> elements = ParseBulk(*body);
  if (!elements.ok()) return exchange->Fail(elements.status());
  registry::v1::BatchChangeDevicesRequest request;
  std::vector<BulkError> errors;
  for (BulkElement& element : *elements) {
    if (element.change.ok()) {
      *request.add_changes() = *std::move(element.change);
    } else {
      const absl::Status& status = element.change.status();
      errors.push_back({element.device_id, element.module_id, GetReason(status), std::string(status.message())});
    }
  }
  if (request.changes().empty()) return AnswerBulk(*exchange, errors);
  CallOrFail(exchange, kBulkLimit, "fleetcast.registry.v1.DeviceService/BatchChangeDevices",
             backends_.devices().async(), &DeviceAsync::BatchChangeDevices, std::move(request),
             [exchange, errors = std::move(errors)](const registry::v1::BatchChangeDevicesResponse& response) {
               std::vector<BulkError> all = errors;
               for (const registry::v1::DeviceChangeError& error : response.errors()) {
                 all.push_back({error.device_id(), error.module_id(), error.reason(), error.message()});
               }
               AnswerBulk(*exchange, all);
             });
}

void RegistryRoutes::DeviceStatistics(const ExchangePtr& exchange) const {
  CallOrFail(exchange, kReadLimit, "fleetcast.registry.v1.DeviceService/GetRegistryStatistics",
             backends_.devices().async(), &DeviceAsync::GetRegistryStatistics,
             registry::v1::GetRegistryStatisticsRequest(),
             [exchange](const registry::v1::GetRegistryStatisticsResponse& response) {
               exchange->Answer(ObjectWriter()
                                    .Integer("totalDeviceCount", response.total_devices())
                                    .Integer("enabledDeviceCount", response.enabled_devices())
                                    .Integer("disabledDeviceCount", response.disabled_devices())
                                    .Finish());
             });
}

void RegistryRoutes::ServiceStatistics(const ExchangePtr& exchange) const {
  CallOrFail(exchange, kReadLimit, "fleetcast.registry.v1.DeviceService/GetRegistryStatistics",
             backends_.devices().async(), &DeviceAsync::GetRegistryStatistics,
             registry::v1::GetRegistryStatisticsRequest(),
             [exchange](const registry::v1::GetRegistryStatisticsResponse& response) {
               exchange->Answer(ObjectWriter().Integer("connectedDeviceCount", response.connected_devices()).Finish());
             });
}

}  // namespace fleetcast::rest_gateway
