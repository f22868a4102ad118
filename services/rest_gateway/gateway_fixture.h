// For tests only: the surface over real TLS, with fake backends behind it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "libs/http/test_support.h"
#include "libs/json/json.h"
#include "libs/rpc/server.h"
#include "services/rest_gateway/backends.h"
#include "services/rest_gateway/fake_backends.h"
#include "services/rest_gateway/front.h"

namespace fleetcast::rest_gateway {

inline constexpr char kVersion[] = "api-version=2021-04-12";
inline constexpr char kPreview[] = "api-version=2016-09-30-preview";

class GatewayTest : public ::testing::Test {
 protected:
  GatewayTest();
  ~GatewayTest() override;

  // Asks with a token of `policy_` on a new connection. `path` goes without api-version, which is `version_`.
  http::TestResponse Ask(std::string_view method, std::string_view path, std::string_view body = "",
                         std::string_view headers = "");
  // Asks with exactly these headers and this target.
  http::TestResponse AskRaw(std::string_view method, std::string_view target, std::string_view headers,
                            std::string_view body = "");

  // `Authorization: …` of a token for `resource` by `policy`, expiring `lifetime` from now.
  std::string Authorization(std::string_view policy = "iothubowner", std::string_view resource = "localhost",
                            absl::Duration lifetime = absl::Hours(1));

  // Checks status, header and body of an error.
  static void ExpectError(const http::TestResponse& response, int status, std::string_view name);
  static json::Value Json(const http::TestResponse& response);

  // Replaces the running surface by one with these settings.
  void Restart(const Config& config);
  Config MakeConfig() const;

  std::string version_ = kVersion;
  std::string policy_ = "iothubowner";
  const auth::PolicySet policies_ = auth::PolicySet::GenerateDefault();
  const http::TestCertificate certificate_;
  telemetry::Metrics metrics_;
  fake::Jobs jobs_;
  fake::Twins twins_;
  fake::Devices devices_;
  fake::Modules modules_;
  fake::Methods methods_;
  std::unique_ptr<rpc::Server> backend_server_;
  std::unique_ptr<Backends> backends_;
  std::unique_ptr<Front> front_;
};

}  // namespace fleetcast::rest_gateway
