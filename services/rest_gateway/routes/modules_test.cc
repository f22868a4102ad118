#include <gmock/gmock.h>

#include "libs/base/status.h"
#include "libs/model/reasons.h"
#include "services/rest_gateway/gateway_fixture.h"

namespace fleetcast::rest_gateway {
namespace {

using registry::v1::Module;

class ModulesTest : public GatewayTest {
 protected:
  ModulesTest() {
    module_.set_device_id("d");
    module_.set_id("m");
    module_.set_etag("Nw==");
    module_.set_managed_by("me");
    module_.set_primary_key("cA==");
    *create_.mutable_module() = module_;
    *update_.mutable_module() = module_;
  }

  Module module_;
  registry::v1::CreateModuleResponse create_;
  registry::v1::UpdateModuleResponse update_;
};

TEST_F(ModulesTest, PutWithoutIfMatchCreates) {
  modules_.create.Return(create_);
  const http::TestResponse response = Ask("PUT", "/devices/d/modules/m%23",
                                          R"({"deviceId":"d","moduleId":"m#","managedBy":"me","authentication":)"
                                          R"({"type":"certificateAuthority"}})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.Header("etag"), "\"Nw==\"");
  EXPECT_EQ(modules_.create.last().module().id(), "m#");
  EXPECT_EQ(modules_.create.last().module().managed_by(), "me");
  EXPECT_EQ(modules_.create.last().module().authentication_type(),
            registry::v1::Device::AUTHENTICATION_TYPE_CERTIFICATE_AUTHORITY);
  ExpectError(Ask("PUT", "/devices/d/modules/m", R"({"moduleId":"x"})"), 400, "ArgumentInvalid");
  modules_.create.Fail(MakeError(absl::StatusCode::kAlreadyExists, reasons::kModuleAlreadyExists, "taken"));
  ExpectError(Ask("PUT", "/devices/d/modules/m", "{}"), 409, "ModuleAlreadyExistsOnDevice");
  modules_.create.Fail(MakeError(absl::StatusCode::kFailedPrecondition, reasons::kTooManyModules, "50"));
  ExpectError(Ask("PUT", "/devices/d/modules/m", "{}"), 413, "TooManyModulesOnDevice");
}

TEST_F(ModulesTest, PutWithIfMatchUpdates) {
  modules_.update.Return(update_);
  EXPECT_EQ(Ask("PUT", "/devices/d/modules/m", "{}", "If-Match: \"*\"\r\n").status, 200);
  EXPECT_EQ(modules_.update.last().if_match(), "*");
  EXPECT_EQ(modules_.create.count(), 0u);
}

TEST_F(ModulesTest, GetPrintsTheIdentity) {
  registry::v1::GetModuleResponse response;
  *response.mutable_module() = module_;
  modules_.get.Return(response);
  const json::Value module = Json(Ask("GET", "/devices/d/modules/m"));
  EXPECT_EQ(module.Find("moduleId")->AsString(), "m");
  EXPECT_EQ(module.Find("managedBy")->AsString(), "me");
  EXPECT_EQ(module.FindPath({"authentication", "symmetricKey", "primaryKey"})->AsString(), "cA==");
  EXPECT_EQ(module.Find("status"), nullptr);
  EXPECT_EQ(module.Find("capabilities"), nullptr);
  modules_.get.Fail(MakeError(absl::StatusCode::kNotFound, reasons::kModuleNotFound, "gone"));
  ExpectError(Ask("GET", "/devices/d/modules/m"), 404, "ModuleNotFound");
}

TEST_F(ModulesTest, ListsAndDeletes) {
  registry::v1::ListModulesResponse list;
  *list.add_modules() = module_;
  modules_.list.Return(list);
  EXPECT_EQ(Json(Ask("GET", "/devices/d/modules")).array().size(), 1u);
  EXPECT_EQ(modules_.list.last().device_id(), "d");
  modules_.remove.Return({});
  ExpectError(Ask("DELETE", "/devices/d/modules/m"), 412, "PreconditionFailed");
  EXPECT_EQ(Ask("DELETE", "/devices/d/modules/m", "", "If-Match: *\r\n").status, 204);
  EXPECT_EQ(modules_.remove.last().module_id(), "m");
}

TEST_F(ModulesTest, TwinsOfModules) {
  twins::v1::GetTwinResponse get;
  get.mutable_twin()->set_document(R"({"moduleId":"m"})");
  twins_.get.Return(get);
  EXPECT_EQ(Ask("GET", "/twins/d/modules/m").body, R"({"moduleId":"m"})");
  EXPECT_EQ(twins_.get.last().module_id(), "m");
  twins::v1::PatchTwinResponse patch;
  twins_.patch.Return(patch);
  Ask("PATCH", "/twins/d/modules/m", R"({"tags":{"a":1}})");
  EXPECT_EQ(twins_.patch.last().module_id(), "m");
  twins_.get.Fail(MakeError(absl::StatusCode::kNotFound, reasons::kModuleNotFound, "gone"));
  ExpectError(Ask("GET", "/twins/d/modules/m"), 404, "DeviceNotFound");
}

}  // namespace
}  // namespace fleetcast::rest_gateway
