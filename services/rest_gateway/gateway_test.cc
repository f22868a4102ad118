// The gates that every request passes: HTTP, api-version, signature, right, body.
#include <gmock/gmock.h>

#include <deque>
#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/model/reasons.h"
#include "libs/rpc/status.h"
#include "libs/testing/wait_for.h"
#include "services/rest_gateway/gateway_fixture.h"

namespace fleetcast::rest_gateway {
namespace {

constexpr char kJob[] = "/jobs/v2/j?api-version=2021-04-12";

TEST_F(GatewayTest, RefusesMissingUnknownDoubleAndOldApiVersions) {
  for (const char* target :
       {"/jobs/v2/j", "/jobs/v2/j?api-version=", "/jobs/v2/j?api-version=1999-01-01",
        "/jobs/v2/j?api-version=2021-04-12&api-version=2021-04-12", "/jobs/v2/j?api-version=2016-04-25-preview"}) {
    ExpectError(AskRaw("GET", target, Authorization()), 400, "InvalidProtocolVersion");
  }
  EXPECT_EQ(jobs_.get.count(), 0u);
}

TEST_F(GatewayTest, ParameterNamesHaveNoCase) {
  jobs_.get.Return({});
  EXPECT_EQ(AskRaw("GET", "/Jobs/V2/j/?Api-Version=2021-04-12", Authorization()).status, 200);
}

TEST_F(GatewayTest, RefusesBadCredentials) {
  const std::string good = Authorization();
  for (const std::string& headers :
       {std::string(), std::string("Authorization: Bearer abc\r\n"), std::string("Authorization: \r\n"),
        std::string("Authorization: SharedAccessSignature sr=x\r\n"), good + good, Authorization("nosuchpolicy"),
        Authorization("device"), Authorization("registryReadWrite"), Authorization("service", "other.example"),
        Authorization("service", "localhost/twins"), Authorization("service", "localhost", -absl::Seconds(301)),
        absl::StrCat("Authorization: SharedAccessSignature ", std::string(8192, 'x'), "\r\n")}) {
    ExpectError(AskRaw("GET", kJob, headers), 401, "IotHubUnauthorizedAccess");
  }
  EXPECT_EQ(jobs_.get.count(), 0u);
}

TEST_F(GatewayTest, AcceptsTokensWithinTheSkewAndForAPrefixOfThePath) {
  jobs_.get.Return({});
  EXPECT_EQ(AskRaw("GET", kJob, Authorization("service", "localhost", -absl::Seconds(290))).status, 200);
  EXPECT_EQ(AskRaw("GET", kJob, Authorization("service", "LOCALHOST/jobs/v2/j")).status, 200);
  EXPECT_EQ(AskRaw("GET", kJob, Authorization("service", "https://localhost:443/jobs")).status, 200);
}

TEST_F(GatewayTest, DoesNotTellAnUnknownPolicyFromAWrongKey) {
  const http::TestResponse unknown = AskRaw("GET", kJob, Authorization("nosuchpolicy"));
  const http::TestResponse missing_right = AskRaw("GET", kJob, Authorization("registryRead"));
  const auto message = [](const http::TestResponse& response) { return Json(response).Find("Message")->AsString(); };
  EXPECT_EQ(message(unknown), message(missing_right));
}

TEST_F(GatewayTest, EachCallNeedsItsRight) {
  devices_.get.Return({});
  twins_.query.Return({});
  policy_ = "registryRead";
  EXPECT_EQ(Ask("GET", "/devices/d").status, 200);
  EXPECT_EQ(Ask("PUT", "/devices/d", "{}").status, 401);
  EXPECT_EQ(Ask("GET", "/twins/d").status, 401);
  EXPECT_EQ(Ask("POST", "/devices/query", R"({"query":"SELECT * FROM devices"})").status, 200);
  policy_ = "service";
  EXPECT_EQ(Ask("GET", "/devices/d").status, 401);
  EXPECT_EQ(Ask("POST", "/devices/query", R"({"query":"SELECT * FROM devices"})").status, 200);
}

TEST_F(GatewayTest, StrictJobsNeedRegistryRights) {
  Config config = MakeConfig();
  config.strict_job_rights = true;
  Restart(config);
  jobs_.get.Return({});
  policy_ = "service";
  EXPECT_EQ(Ask("GET", "/jobs/v2/j").status, 401);
  policy_ = "iothubowner";
  EXPECT_EQ(Ask("GET", "/jobs/v2/j").status, 200);
}

TEST_F(GatewayTest, RefusesBeforeReadingTheBody) {
  const http::TestResponse response = AskRaw("PUT", kJob, "Content-Length: 900000\r\nExpect: 100-continue\r\n");
  ExpectError(response, 401, "IotHubUnauthorizedAccess");
}

TEST_F(GatewayTest, UnknownPathsAndMethodsGetTheEnvelope) {
  ExpectError(Ask("GET", "/nosuch"), 404, "GenericNotFound");
  ExpectError(Ask("GET", "/digitaltwins/d"), 404, "GenericNotFound");
  ExpectError(Ask("GET", "/messages/serviceBound/feedback"), 404, "GenericNotFound");
  ExpectError(Ask("TRACE", "/devices/d"), 405, "GenericMethodNotAllowed");
  ExpectError(AskRaw("GET", "/devices/%zz", ""), 400, "GenericBadRequest");
  ExpectError(AskRaw("GET", "/devices/a%00", ""), 400, "GenericBadRequest");
  ExpectError(AskRaw("GET", "/", absl::StrCat("X: ", std::string(64 * 1024, 'x'), "\r\n")), 431, "GenericBadRequest");
}

TEST_F(GatewayTest, OversizeBodiesAreRefused) {
  ExpectError(Ask("PUT", "/jobs/v2/j", std::string(1024 * 1024 + 1, ' ')), 413, "MessageTooLarge");
  ExpectError(Ask("PATCH", "/twins/d", std::string(256 * 1024 + 1, ' ')), 413, "MessageTooLarge");
  EXPECT_EQ(jobs_.create.count(), 0u);
}

TEST_F(GatewayTest, BodiesMustBeJson) {
  for (const std::string& body :
       {std::string(" "), std::string("{"), std::string("\xef\xbb\xbf{}"), std::string("{}{}"), std::string("{} x"),
        std::string("{\"a\":NaN}"), std::string("/**/{}"), std::string("{\"a\":\"\xff\"}"),
        std::string("{\"a\":1e400}"), std::string(100'000, '['), std::string("{\"a\":\"\\ud800\"}"),
        std::string("\xff\xfe{\0}\0", 6)}) {
    const http::TestResponse response = Ask("PUT", "/jobs/v2/j", body);
    ExpectError(response, 400, "DeserializationError");
    EXPECT_EQ(response.Header("connection"), "close");
  }
  ExpectError(Ask("PUT", "/jobs/v2/j"), 400, "DeserializationError");
  ExpectError(Ask("PUT", "/jobs/v2/j", "[]"), 400, "GenericBadRequest");
  ExpectError(Ask("PUT", "/jobs/v2/j", "{}", "Content-Type: text/plain\r\n"), 415, "GenericUnsupportedMediaType");
  ExpectError(Ask("PUT", "/jobs/v2/j", "{}", "Content-Encoding: gzip\r\n"), 415, "GenericUnsupportedMediaType");
  EXPECT_EQ(jobs_.create.count(), 0u);
}

TEST_F(GatewayTest, BackendFailuresBecomeErrors) {
  jobs_.get.Fail(absl::UnavailableError("backend 10.0.0.7; is gone"));
  http::TestResponse response = Ask("GET", "/jobs/v2/j");
  ExpectError(response, 503, "ServiceUnavailable");
  EXPECT_EQ(response.Header("retry-after"), "1");
  EXPECT_FALSE(absl::StrContains(response.body, "10.0.0.7"));
  jobs_.get.Fail(absl::InternalError("secret of the database"));
  response = Ask("GET", "/jobs/v2/j");
  ExpectError(response, 500, "ServerError");
  EXPECT_FALSE(absl::StrContains(response.body, "secret"));
  jobs_.get.Fail(rpc::WithRetryAfter(absl::ResourceExhaustedError("full"), absl::Milliseconds(2500)));
  response = Ask("GET", "/jobs/v2/j");
  ExpectError(response, 429, "ThrottlingException");
  EXPECT_EQ(response.Header("retry-after"), "3");
}

TEST_F(GatewayTest, EveryAnswerHasItsHeaders) {
  devices_.remove.Return({});
  const http::TestResponse response = Ask("DELETE", "/devices/d", "", "If-Match: *\r\n");
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(response.headers.count("content-type"), 0u);
  EXPECT_EQ(response.headers.count("content-length"), 0u);
  EXPECT_EQ(response.Header("x-ms-request-id").size(), 36u);
  EXPECT_EQ(response.Header("vary"), "Origin");
  EXPECT_NE(response.Header("date"), "");
}

TEST_F(GatewayTest, WhatIsNotServedSaysSo) {
  const std::pair<const char*, const char*> forbidden[] = {
      {"POST", "/jobs/create"},          {"GET", "/configurations"},
      {"PUT", "/configurations/c"},      {"POST", "/configurations/testQueries"},
      {"DELETE", "/devices/d/commands"}, {"POST", "/devices/d/applyConfigurationContent"}};
  for (const auto& [method, path] : forbidden) {
    ExpectError(Ask(method, path), 403, "OperationNotAvailableInCurrentTier");
  }
  EXPECT_EQ(Ask("GET", "/jobs").body, "[]");
  ExpectError(Ask("GET", "/jobs/x"), 404, "JobNotFound");
  ExpectError(Ask("DELETE", "/jobs/x"), 404, "JobNotFound");
}

TEST_F(GatewayTest, AThousandWaitingCallsLeaveTheSurfaceFree) {
  constexpr size_t kWaiting = 1000;
  const std::string body = R"({"methodName":"wait","responseTimeoutInSeconds":300})";
  const std::string request = absl::StrCat("POST /twins/d/methods?", kVersion, " HTTP/1.1\r\n", Authorization(),
                                           "Content-Length: ", body.size(), "\r\n\r\n", body);
  Config config = MakeConfig();
  config.plain_http = true;  // A thousand TLS clients would be the slowest part of this test.
  config.io_threads = 1;
  Restart(config);
  std::deque<http::TestClient> clients;
  for (size_t i = 0; i < kWaiting; ++i) {
    ASSERT_TRUE(clients.emplace_back(front_->port(), http::TestClient::Mode::kPlain).Send(request));
  }
  ASSERT_TRUE(testing::WaitFor([&] { return methods_.waiting() == kWaiting; }, absl::Seconds(60)));
  jobs_.get.Return({});
  http::TestClient other(front_->port(), http::TestClient::Mode::kPlain);
  EXPECT_EQ(other.Ask("GET", kJob, Authorization())->status, 200);
  methods_.Release(absl::OkStatus());
  for (http::TestClient& client : clients) EXPECT_EQ(client.Read()->status, 200);
}

TEST_F(GatewayTest, EndsWhileCallsAreWaiting) {
  http::TestClient client(front_->port(), http::TestClient::Mode::kTls);
  const std::string body = R"({"methodName":"wait"})";
  client.Send(absl::StrCat("POST /twins/d/methods?", kVersion, " HTTP/1.1\r\n", Authorization(),
                           "Content-Length: ", body.size(), "\r\n\r\n", body));
  ASSERT_TRUE(testing::WaitFor([&] { return methods_.waiting() == 1; }));
  front_.reset();
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(GatewayTest, ARenewedCertificateIsTakenWithoutARestart) {
  Config config = MakeConfig();
  config.tls_reload_interval = absl::Milliseconds(1);
  Restart(config);
  const auto served = [&] {
    return http::TestClient(front_->port(), http::TestClient::Mode::kTls).ServerCertificate();
  };
  const std::string before = served();
  {
    const http::TestCertificate next;
    std::filesystem::rename(next.key_file(), config.tls_key_file);
    std::filesystem::rename(next.certificate_file(), config.tls_cert_file);
  }
  EXPECT_TRUE(testing::WaitFor([&] { return served() != before; }));
  EXPECT_TRUE(testing::WaitFor(
      [&] { return absl::StrContains(metrics_.Text(), "fleetcast_http_tls_reloads_total{result=\"taken\"} 1"); }));
}

TEST_F(GatewayTest, NoSecretReachesMetrics) {
  devices_.get.Return({});
  Ask("GET", "/devices/canary-device");
  const std::string text = metrics_.Text();
  EXPECT_TRUE(absl::StrContains(text, "fleetcast_http_requests_total{route=\"GET devices/*\",status=\"200\"} 1"));
  EXPECT_FALSE(absl::StrContains(text, "canary"));
}

TEST_F(GatewayTest, WebSocketsAre404WithoutAnEdge) {
  ExpectError(AskRaw("GET", "/$iothub/websocket", "Upgrade: websocket\r\nConnection: Upgrade\r\n"), 404,
              "GenericNotFound");
}

TEST_F(GatewayTest, WebSocketsThatNoEdgeTakesAre503) {
  Config config = MakeConfig();
  config.edge_websocket = {"127.0.0.1:1"};
  Restart(config);
  for (const char* target : {"/$iothub/websocket?iothub-no-client-cert=true", "/%24iothub/websocket", "/mqtt"}) {
    const http::TestResponse response = AskRaw("GET", target, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
    ExpectError(response, 503, "ServiceUnavailable");
    EXPECT_EQ(response.Header("retry-after"), "1");
  }
  EXPECT_THAT(metrics_.Text(), ::testing::HasSubstr("fleetcast_http_refused_websockets 3"));
  jobs_.get.Return({});
  EXPECT_EQ(AskRaw("GET", kJob, Authorization()).status, 200);
}

}  // namespace
}  // namespace fleetcast::rest_gateway
