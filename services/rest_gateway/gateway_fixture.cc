#include "services/rest_gateway/gateway_fixture.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/auth/sas_token.h"
#include "libs/base/strings.h"
#include "libs/testing/status_matchers.h"

namespace fleetcast::rest_gateway {

GatewayTest::GatewayTest() {
  const std::vector<rpc::ServedService> services = {{fake::JobService::service_full_name(), &jobs_},
                                                    {fake::TwinService::service_full_name(), &twins_},
                                                    {fake::DeviceService::service_full_name(), &devices_},
                                                    {fake::ModuleService::service_full_name(), &modules_},
                                                    {fake::MethodService::service_full_name(), &methods_}};
  auto server = rpc::Server::Start({.listen = "127.0.0.1:0"}, services, metrics_);
  EXPECT_TRUE(server.ok()) << server.status();
  backend_server_ = *std::move(server);
  const auto channel = backend_server_->InProcessChannel();
  backends_ = std::make_unique<Backends>(channel, channel, std::vector<Backends::Channel>{channel});
  Restart(MakeConfig());
}

GatewayTest::~GatewayTest() {
  front_.reset();
  methods_.Release(absl::CancelledError("the test is over"));
}

Config GatewayTest::MakeConfig() const {
  Config config;
  config.https_listen = "127.0.0.1:0";
  config.tls_cert_file = certificate_.certificate_file();
  config.tls_key_file = certificate_.key_file();
  config.policies = policies_.ToJson();
  config.host_names = {"localhost"};
  return config;
}

void GatewayTest::Restart(const Config& config) {
  front_.reset();
  auto front = Front::Start(config, *backends_, metrics_);
  ASSERT_TRUE(front.ok()) << front.status();
  front_ = *std::move(front);
}

std::string GatewayTest::Authorization(std::string_view policy, std::string_view resource, absl::Duration lifetime) {
  const auth::Policy* known = policies_.Find(policy);
  const auth::Key key = known == nullptr ? auth::Key::Generate() : known->keys.primary;
  return absl::StrCat("Authorization: ", auth::MakeSasToken(resource, key, absl::Now() + lifetime, policy), "\r\n");
}

http::TestResponse GatewayTest::Ask(std::string_view method, std::string_view path, std::string_view body,
                                    std::string_view headers) {
  const std::string target = absl::StrCat(Absl(path), absl::StrContains(Absl(path), "?") ? "&" : "?", version_);
  return AskRaw(method, target, absl::StrCat(Authorization(policy_), Absl(headers)), body);
}

http::TestResponse GatewayTest::AskRaw(std::string_view method, std::string_view target, std::string_view headers,
                                       std::string_view body) {
  http::TestClient client(front_->port(), http::TestClient::Mode::kTls);
  const std::optional<http::TestResponse> response = client.Ask(method, target, headers, body);
  EXPECT_TRUE(response.has_value()) << method << " " << target;
  return response.value_or(http::TestResponse());
}

void GatewayTest::ExpectError(const http::TestResponse& response, int status, std::string_view name) {
  EXPECT_EQ(response.status, status) << response.body;
  EXPECT_EQ(response.Header("iothub-errorcode"), name);
  EXPECT_EQ(response.Header("content-type"), "application/json; charset=utf-8");
  EXPECT_EQ(response.Header("x-ms-request-id").size(), 36u);
  const json::Value body = Json(response);
  const json::Value* message = body.Find("Message");
  ASSERT_NE(message, nullptr) << response.body;
  EXPECT_TRUE(absl::StartsWith(message->AsString(), absl::StrCat("ErrorCode:", Absl(name), ";"))) << response.body;
  EXPECT_TRUE(absl::StartsWith(body.Find("ExceptionMessage")->AsString(), "Tracking ID:"));
}

json::Value GatewayTest::Json(const http::TestResponse& response) {
  const absl::StatusOr<json::Value> value = json::Parse(response.body, {.bytes_max = size_t{64} << 20});
  EXPECT_TRUE(value.ok()) << response.body;
  return value.value_or(json::Value());
}

}  // namespace fleetcast::rest_gateway
