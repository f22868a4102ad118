// Twins and direct methods.
#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/model/reasons.h"
#include "services/rest_gateway/gateway_fixture.h"

namespace fleetcast::rest_gateway {
namespace {

class TwinsTest : public GatewayTest {
 protected:
  TwinsTest() {
    twins::v1::Twin twin;
    twin.set_document(R"({"deviceId":"d","version":3})");
    twin.set_etag("AAAAAAAAAAI=");
    *get_.mutable_twin() = twin;
    *patch_.mutable_twin() = twin;
    *replace_.mutable_twin() = twin;
  }

  twins::v1::GetTwinResponse get_;
  twins::v1::PatchTwinResponse patch_;
  twins::v1::ReplaceTwinResponse replace_;
};

TEST_F(TwinsTest, GetAnswersTheDocumentAsItIs) {
  twins_.get.Return(get_);
  const http::TestResponse response = Ask("GET", "/twins/a%23b%2525");
  EXPECT_EQ(response.body, get_.twin().document());
  EXPECT_EQ(response.Header("etag"), "\"AAAAAAAAAAI=\"");
  EXPECT_EQ(twins_.get.last().device_id(), "a#b%25");
}

TEST_F(TwinsTest, PatchTakesTagsAndDesiredAndIgnoresTheRest) {
  twins_.patch.Return(patch_);
  const http::TestResponse response =
      Ask("PATCH", "/twins/d",
          R"({"deviceId":"x","tags":{"a":1.0,"b":null},"properties":{"desired":{"c":{}},"reported":{"r":1}}})",
          "If-Match: W/\"AAAAAAAAAAE=\"\r\n");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(twins_.patch.last().tags_patch(), R"({"a":1.0,"b":null})");
  EXPECT_EQ(twins_.patch.last().desired_patch(), R"({"c":{}})");
  EXPECT_EQ(twins_.patch.last().if_match(), "AAAAAAAAAAE=");
}

TEST_F(TwinsTest, NullEmptiesASectionAndAbsenceDoesNot) {
  twins_.patch.Return(patch_);
  Ask("PATCH", "/twins/d", R"({"tags":null})", "If-Match: \"\"\r\n");
  EXPECT_EQ(twins_.patch.last().tags_patch(), "null");
  EXPECT_EQ(twins_.patch.last().desired_patch(), "");
  EXPECT_EQ(twins_.patch.last().if_match(), "");
  twins_.replace.Return(replace_);
  EXPECT_EQ(Ask("PUT", "/twins/d", R"({"tags":null,"properties":{"desired":{"a":1}}})", "If-Match: \"*\"\r\n").status,
            200);
  EXPECT_EQ(twins_.replace.last().tags(), "");
  EXPECT_EQ(twins_.replace.last().desired(), R"({"a":1})");
  EXPECT_EQ(twins_.replace.last().if_match(), "*");
}

TEST_F(TwinsTest, RefusesWhatTwinsCannotHold) {
  ExpectError(Ask("PATCH", "/twins/d", R"({"tags":{"a":"\u0000"}})"), 400, "ArgumentInvalid");
  ExpectError(Ask("PATCH", "/twins/d", R"({"tags":{"a":1e130000}})"), 400, "ArgumentInvalid");
  ExpectError(Ask("PATCH", "/twins/d", R"({"properties":7})"), 400, "GenericBadRequest");
  EXPECT_EQ(twins_.patch.count(), 0u);
  twins_.patch.Fail(MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidTwin, "tags.a.b: too deep"));
  ExpectError(Ask("PATCH", "/twins/d", R"({"tags":{}})"), 400, "ArgumentInvalid");
  twins_.patch.Fail(MakeError(absl::StatusCode::kAborted, reasons::kEtagMismatch, "ETag mismatch for device ID 'd'"));
  ExpectError(Ask("PATCH", "/twins/d", R"({"tags":{}})"), 412, "PreconditionFailed");
  twins_.patch.Fail(MakeError(absl::StatusCode::kNotFound, reasons::kDeviceNotFound, "no"));
  ExpectError(Ask("PATCH", "/twins/d", R"({"tags":{}})"), 404, "DeviceNotFound");
}

using MethodsTest = GatewayTest;

TEST_F(MethodsTest, PassesPayloadsBothWays) {
  methods::v1::InvokeMethodResponse answer;
  answer.set_device_status(501);
  answer.set_payload(R"("text")");
  methods_.invoke.Return(answer);
  const http::TestResponse response =
      Ask("POST", "/twins/d/methods",
          R"({"methodName":"reboot","payload":"a string","responseTimeoutInSeconds":15,"connectTimeoutInSeconds":5})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, R"({"status":501,"payload":"text"})");
  const methods::v1::InvokeMethodRequest request = methods_.invoke.last();
  EXPECT_EQ(request.method(), "reboot");
  EXPECT_EQ(request.payload(), R"("a string")");
  EXPECT_EQ(request.response_timeout().seconds(), 15);
  EXPECT_EQ(request.connect_timeout().seconds(), 5);
}

TEST_F(MethodsTest, OfAModuleNameIt) {
  methods::v1::InvokeMethodResponse answer;
  answer.set_device_status(200);
  answer.set_payload("null");
  methods_.invoke.Return(answer);
  EXPECT_EQ(Ask("POST", "/twins/d/modules/m%23/methods", R"({"methodName":"reboot"})").status, 200);
  EXPECT_EQ(methods_.invoke.last().device_id(), "d");
  EXPECT_EQ(methods_.invoke.last().module_id(), "m#");
  Ask("POST", "/twins/d/methods", R"({"methodName":"reboot"})");
  EXPECT_EQ(methods_.invoke.last().module_id(), "");
}

TEST_F(MethodsTest, PreviewCallsTheTimeoutByAnotherName) {
  version_ = kPreview;
  methods_.invoke.Return({});
  EXPECT_EQ(Ask("POST", "/twins/d/methods", R"({"methodName":"m","payload":null,"timeoutInSeconds":20})").body,
            R"({"status":0,"payload":null})");
  EXPECT_EQ(methods_.invoke.last().response_timeout().seconds(), 20);
}

TEST_F(MethodsTest, FailuresAreNested) {
  const std::tuple<absl::StatusCode, std::string_view, int, int, std::string_view> cases[] = {
      {absl::StatusCode::kNotFound, reasons::kDeviceNotFound, 404, 404001, "DeviceNotFound"},
      {absl::StatusCode::kFailedPrecondition, reasons::kDeviceNotOnline, 404, 404103, "DeviceNotOnline"},
      {absl::StatusCode::kAborted, reasons::kConnectionClosed, 404, 404104, "DeviceConnectionClosedRemotely"},
      {absl::StatusCode::kDeadlineExceeded, reasons::kResponseTimeout, 504, 504101, "GatewayTimeout"},
      // Whether these reached the device is not known; a 503 would make the Node SDK call it again.
      {absl::StatusCode::kDeadlineExceeded, "", 504, 504101, "GatewayTimeout"},
      {absl::StatusCode::kUnavailable, "", 504, 504101, "GatewayTimeout"},
      {absl::StatusCode::kInternal, "", 504, 504101, "GatewayTimeout"},
      {absl::StatusCode::kInternal, reasons::kBadDeviceResponse, 502, 502000, "GenericBadGateway"},
      {absl::StatusCode::kResourceExhausted, reasons::kTooManyInFlight, 403, 403800,
       "DeviceMaximumInflightMethodExceeded"},
      {absl::StatusCode::kInvalidArgument, reasons::kInvalidTimeout, 400, 400004, "ArgumentInvalid"},
      {absl::StatusCode::kResourceExhausted, reasons::kServerBusy, 429, 429001, "ThrottlingException"},
  };
  for (const auto& [code, reason, status, number, name] : cases) {
    methods_.invoke.Fail(MakeError(code, reason, "no"));
    const http::TestResponse response =
        Ask("POST", "/twins/d/methods", R"({"methodName":"m","connectTimeoutInSeconds":65})");
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.Header("iothub-errorcode"), name);
    const absl::StatusOr<json::Value> inner = json::Parse(Json(response).Find("Message")->AsString());
    ASSERT_TRUE(inner.ok()) << response.body;
    EXPECT_EQ(inner->Find("errorCode")->AsInt(), number);
    EXPECT_EQ(inner->FindPath({"info", "timeout"})->AsString(), number == 404103 ? "00:01:05" : "00:00:30");
  }
}

TEST_F(MethodsTest, RefusesBadBodies) {
  ExpectError(Ask("POST", "/twins/d/methods", "{}"), 400, "ArgumentNull");
  ExpectError(Ask("POST", "/twins/d/methods", R"({"methodName":"m","responseTimeoutInSeconds":"30"})"), 400,
              "GenericBadRequest");
  ExpectError(Ask("POST", "/twins/d/methods",
                  absl::StrCat(R"({"methodName":"m","payload":")", std::string(128 * 1024 - 1, 'x'), "\"}")),
              413, "MessageTooLarge");
  EXPECT_EQ(methods_.invoke.count(), 0u);
}

}  // namespace
}  // namespace fleetcast::rest_gateway
