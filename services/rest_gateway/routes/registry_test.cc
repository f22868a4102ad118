#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/model/reasons.h"
#include "services/rest_gateway/gateway_fixture.h"

namespace fleetcast::rest_gateway {
namespace {

using registry::v1::Device;
using registry::v1::DeviceChange;

class RegistryTest : public GatewayTest {
 protected:
  RegistryTest() {
    device_.set_id("d");
    device_.set_etag("Nw==");
    device_.set_primary_key("cA==");
    device_.set_secondary_key("cw==");
    *create_.mutable_device() = device_;
    *update_.mutable_device() = device_;
  }

  Device device_;
  registry::v1::CreateDeviceResponse create_;
  registry::v1::UpdateDeviceResponse update_;
};

TEST_F(RegistryTest, PutWithoutIfMatchCreates) {
  devices_.create.Return(create_);
  const http::TestResponse response = Ask("PUT", "/devices/a%23%3F%25b",
                                          R"({"deviceId":"a#?%b","status":"Disabled","capabilities":{"iotEdge":true},)"
                                          R"("authentication":{"symmetricKey":{"primaryKey":"","secondaryKey":""}}})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Header("etag"), "\"Nw==\"");
  const Device device = devices_.create.last().device();
  EXPECT_EQ(device.id(), "a#?%b");
  EXPECT_EQ(device.status(), Device::STATUS_DISABLED);
  EXPECT_EQ(device.primary_key(), "");
  EXPECT_TRUE(device.iot_edge());
}

TEST_F(RegistryTest, PutWithIfMatchUpdates) {
  devices_.update.Return(update_);
  for (const char* header : {"If-Match: \"*\"\r\n", "If-Match: *\r\n"}) {
    EXPECT_EQ(Ask("PUT", "/devices/d", "{}", header).status, 200);
    EXPECT_EQ(devices_.update.last().if_match(), "*");
  }
  EXPECT_EQ(devices_.create.count(), 0u);
}

TEST_F(RegistryTest, PutRefusesBadBodies) {
  ExpectError(Ask("PUT", "/devices/d", R"({"deviceId":"other"})"), 400, "ArgumentInvalid");
  ExpectError(Ask("PUT", "/devices/d", R"({"status":"sleeping"})"), 400, "ArgumentInvalid");
  ExpectError(Ask("PUT", "/devices/d", R"({"authentication":{"type":"none"}})"), 400, "ArgumentInvalid");
  ExpectError(Ask("PUT", "/devices/d", R"({"authentication":[]})"), 400, "GenericBadRequest");
  EXPECT_EQ(devices_.create.count(), 0u);
  devices_.create.Fail(MakeError(absl::StatusCode::kAlreadyExists, reasons::kDeviceAlreadyExists, "taken"));
  ExpectError(Ask("PUT", "/devices/d", "{}"), 409, "DeviceAlreadyExists");
}

TEST_F(RegistryTest, GetPrintsTheIdentity) {
  registry::v1::GetDeviceResponse response;
  *response.mutable_device() = device_;
  devices_.get.Return(response);
  const json::Value device = Json(Ask("GET", "/devices/d"));
  EXPECT_EQ(device.Find("status")->AsString(), "enabled");
  EXPECT_EQ(device.Find("connectionState")->AsString(), "Disconnected");
  EXPECT_EQ(device.Find("lastActivityTime")->AsString(), "0001-01-01T00:00:00Z");
  EXPECT_TRUE(device.Find("statusReason")->is_null());
  EXPECT_EQ(device.FindPath({"authentication", "symmetricKey", "primaryKey"})->AsString(), "cA==");
  EXPECT_TRUE(device.FindPath({"authentication", "x509Thumbprint", "primaryThumbprint"})->is_null());
  EXPECT_EQ(device.FindPath({"authentication", "type"})->AsString(), "sas");
}

TEST_F(RegistryTest, DeleteNeedsIfMatch) {
  devices_.remove.Return({});
  ExpectError(Ask("DELETE", "/devices/d"), 412, "PreconditionFailed");
  EXPECT_EQ(devices_.remove.count(), 0u);
  EXPECT_EQ(Ask("DELETE", "/devices/d", "", "If-Match: \"Nw==\"\r\n").status, 204);
  EXPECT_EQ(devices_.remove.last().if_match(), "Nw==");
}

TEST_F(RegistryTest, ListTakesTop) {
  registry::v1::ListDevicesResponse response;
  *response.add_devices() = device_;
  devices_.list.Return(response);
  EXPECT_EQ(Json(Ask("GET", "/devices/?top=5")).array().size(), 1u);
  EXPECT_EQ(devices_.list.last().page_size(), 5);
  Ask("GET", "/devices");
  EXPECT_EQ(devices_.list.last().page_size(), 1000);
  for (const char* top : {"0", "1001", "x"}) {
    ExpectError(Ask("GET", absl::StrCat("/devices?top=", top)), 400, "ArgumentInvalid");
  }
}

TEST_F(RegistryTest, BulkPassesChangesInOrder) {
  devices_.bulk.Return({});
  const http::TestResponse response =
      Ask("POST", "/devices",
          R"([{"id":"a","importMode":"Create","tags":{"x":1},"properties":{"desired":{"y":2}}},)"
          R"({"id":"b","importMode":"deleteIfMatchETag","eTag":"Nw=="},)"
          R"({"id":"c","importMode":"updateTwinIfMatchETag","twinETag":"AA==","tags":{}}])");
  EXPECT_EQ(response.body, R"({"isSuccessful":true,"errors":[],"warnings":[]})");
  const registry::v1::BatchChangeDevicesRequest request = devices_.bulk.last();
  ASSERT_EQ(request.changes_size(), 3);
  EXPECT_EQ(request.changes(0).kind(), DeviceChange::KIND_CREATE);
  EXPECT_EQ(request.changes(0).tags(), R"({"x":1})");
  EXPECT_EQ(request.changes(0).desired(), R"({"y":2})");
  EXPECT_EQ(request.changes(1).kind(), DeviceChange::KIND_DELETE_IF_MATCH);
  EXPECT_EQ(request.changes(1).device().etag(), "Nw==");
  EXPECT_EQ(request.changes(2).twin_etag(), "AA==");
}

TEST_F(RegistryTest, BulkFailuresCarryTheirHeader) {
  registry::v1::BatchChangeDevicesResponse answer;
  registry::v1::DeviceChangeError& error = *answer.add_errors();
  error.set_device_id("a");
  error.set_reason(std::string(reasons::kDeviceAlreadyExists));
  error.set_message("A device with ID 'a' is already registered.");
  devices_.bulk.Return(answer);
  const http::TestResponse response =
      Ask("POST", "/devices", R"([{"id":"a"},{"id":"twice"},{"id":"twice"},{"id":"m","moduleId":7}])");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.Header("iothuberrorcode"), "BulkRegistryOperationFailure");
  EXPECT_EQ(response.Header("iothub-errorcode"), "BulkRegistryOperationFailure");
  EXPECT_EQ(devices_.bulk.last().changes_size(), 1);
  const json::Value body = Json(response);
  EXPECT_FALSE(body.Find("isSuccessful")->AsBool());
  std::vector<std::string> codes;
  for (const json::Value& entry : body.Find("errors")->array()) codes.push_back(entry.Find("errorCode")->AsString());
  EXPECT_THAT(codes, ::testing::ElementsAre("DeviceDefinedMultipleTimes", "DeviceDefinedMultipleTimes",
                                            "GenericBadRequest", "DeviceAlreadyExists"));
}

TEST_F(RegistryTest, BulkKnowsModules) {
  registry::v1::BatchChangeDevicesResponse answer;
  registry::v1::DeviceChangeError& error = *answer.add_errors();
  error.set_device_id("a");
  error.set_module_id("m");
  error.set_reason(std::string(reasons::kModuleNotFound));
  devices_.bulk.Return(answer);
  const http::TestResponse response = Ask(
      "POST", "/devices", R"([{"id":"a","importMode":"createOrUpdate"},{"id":"a","moduleId":"m","managedBy":"me"}])");
  const registry::v1::BatchChangeDevicesRequest request = devices_.bulk.last();
  ASSERT_EQ(request.changes_size(), 2);
  EXPECT_EQ(request.changes(0).kind(), DeviceChange::KIND_CREATE_OR_UPDATE);
  EXPECT_EQ(request.changes(1).module_id(), "m");
  EXPECT_EQ(request.changes(1).managed_by(), "me");
  const json::Value body = Json(response);
  EXPECT_EQ(body.Find("errors")->array()[0].Find("moduleId")->AsString(), "m");
  EXPECT_EQ(body.Find("errors")->array()[0].Find("errorCode")->AsString(), "ModuleNotFound");
}

TEST_F(RegistryTest, ScopesTravelBothWays) {
  create_.mutable_device()->set_device_scope("ms-azure-iot-edge://gw-1");
  create_.mutable_device()->set_parent_scope("ms-azure-iot-edge://gw-0");
  devices_.create.Return(create_);
  const json::Value device = Json(Ask("PUT", "/devices/d", R"({"deviceScope":"s","parentScopes":["p"]})"));
  EXPECT_EQ(devices_.create.last().device().device_scope(), "s");
  EXPECT_EQ(devices_.create.last().device().parent_scope(), "p");
  EXPECT_EQ(device.Find("deviceScope")->AsString(), "ms-azure-iot-edge://gw-1");
  EXPECT_EQ(device.Find("parentScopes")->array()[0].AsString(), "ms-azure-iot-edge://gw-0");
  ExpectError(Ask("PUT", "/devices/d", R"({"parentScopes":["a","b"]})"), 400, "ArgumentInvalid");
}

TEST_F(RegistryTest, BulkIsBounded) {
  std::vector<std::string> elements;
  for (int i = 0; i <= 100; ++i) elements.push_back(absl::StrCat("{\"id\":\"d", i, "\"}"));
  ExpectError(Ask("POST", "/devices", absl::StrCat("[", absl::StrJoin(elements, ","), "]")), 413, "TooManyDevices");
  ExpectError(Ask("POST", "/devices", "[]"), 400, "ArgumentNull");
  ExpectError(Ask("POST", "/devices", "{}"), 400, "GenericBadRequest");
  EXPECT_EQ(devices_.bulk.count(), 0u);
}

TEST_F(RegistryTest, Statistics) {
  registry::v1::GetRegistryStatisticsResponse answer;
  answer.set_total_devices(3);
  answer.set_enabled_devices(2);
  answer.set_disabled_devices(1);
  answer.set_connected_devices(1);
  devices_.statistics.Return(answer);
  EXPECT_EQ(Ask("GET", "/statistics/devices").body,
            R"({"totalDeviceCount":3,"enabledDeviceCount":2,"disabledDeviceCount":1})");
  EXPECT_EQ(Ask("GET", "/statistics/service").body, R"({"connectedDeviceCount":1})");
}

}  // namespace
}  // namespace fleetcast::rest_gateway
