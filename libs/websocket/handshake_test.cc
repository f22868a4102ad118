#include "libs/websocket/handshake.h"

#include <string>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/websocket/test_support.h"

namespace fleetcast::websocket {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Decision JudgeBytes(const std::string& bytes) {
  const std::optional<http::RequestHead> head = http::ParseRequestHead(bytes);
  EXPECT_TRUE(head.has_value()) << bytes;
  return head ? Judge(*head) : Refusal(0, "");
}

// The good request with one text replaced.
int StatusWith(const std::string& text, const std::string& replacement) {
  const std::string good = UpgradeRequest();
  EXPECT_THAT(good, HasSubstr(text));
  return JudgeBytes(absl::StrReplaceAll(good, {{text, replacement}})).status;
}

TEST(HandshakeTest, AcceptsTheRequestOfEachSdk) {
  for (const char* target : {"/$iothub/websocket", "/%24iothub/websocket", "/mqtt", "/$iothub/websocket?a=b",
                             "/$iothub/websocket?iothub-no-client-cert=true", "/mqtt?x", "https://hub/mqtt"}) {
    EXPECT_EQ(JudgeBytes(UpgradeRequest(target)).status, 101) << target;
  }
  const Decision python = JudgeBytes(UpgradeRequest("/$iothub/websocket", "mqtt", "Origin: https://hub:443\r\n"));
  EXPECT_EQ(python.status, 101);
  EXPECT_EQ(python.accept, kUpgradeAccept);
}

TEST(HandshakeTest, DWs2EchoesTheSubprotocolInTheClientsSpelling) {
  EXPECT_EQ(JudgeBytes(UpgradeRequest("/mqtt", "MQTT")).protocol, "MQTT");
  EXPECT_EQ(JudgeBytes(UpgradeRequest("/mqtt", "mqttv3.1,  mQtT , mqtt")).protocol, "mQtT");
  EXPECT_EQ(JudgeBytes(UpgradeRequest("/mqtt", "a", "Sec-WebSocket-Protocol: mqtt\r\n")).protocol, "mqtt");
  std::string answer;
  AppendAnswer(JudgeBytes(UpgradeRequest("/mqtt", "MQTT")), &answer);
  EXPECT_THAT(answer, HasSubstr("\r\nSec-WebSocket-Protocol: MQTT\r\n"));
}

TEST(HandshakeTest, DWs3DeclinesCompression) {
  std::string answer;
  const Decision decision = JudgeBytes(
      UpgradeRequest("/mqtt", "mqtt", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"));
  AppendAnswer(decision, &answer);
  EXPECT_EQ(answer,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n");
}

TEST(HandshakeTest, ReadsListsInAnyLetterCase) {
  EXPECT_EQ(StatusWith("Connection: Upgrade", "connection: keep-alive, UPGRADE"), 101);
  EXPECT_EQ(StatusWith("Upgrade: websocket", "UPGRADE: h2c, WebSocket"), 101);
}

TEST(HandshakeTest, RefusesWithTheStatusThatTellsWhy) {
  EXPECT_EQ(StatusWith("/$iothub/websocket", "/"), 404);
  EXPECT_EQ(StatusWith("/$iothub/websocket", "/$IOTHUB/websocket"), 404);
  EXPECT_EQ(StatusWith("/$iothub/websocket", "/devices"), 404);
  EXPECT_EQ(StatusWith("/$iothub/websocket", "/%2"), 400);
  EXPECT_EQ(StatusWith("/$iothub/websocket", "/mqtt#x"), 400);
  EXPECT_EQ(StatusWith("GET", "POST"), 405);
  EXPECT_EQ(StatusWith("Upgrade: websocket\r\n", ""), 426);
  EXPECT_EQ(StatusWith("Upgrade: websocket\r\n", "Upgrade: h2c\r\n"), 426);
  EXPECT_EQ(StatusWith("Version: 13", "Version: 8"), 426);
  EXPECT_EQ(StatusWith("Connection: Upgrade", "Connection: keep-alive"), 400);
  EXPECT_EQ(StatusWith("HTTP/1.1", "HTTP/1.0"), 400);
  EXPECT_EQ(StatusWith("Host: hub.test.local\r\n", ""), 400);
  EXPECT_EQ(StatusWith("Host: hub.test.local", "Content-Length: 1\r\nHost: h"), 400);
  EXPECT_EQ(StatusWith("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: short"), 400);
  EXPECT_EQ(StatusWith("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), 400);
  EXPECT_EQ(StatusWith("Protocol: mqtt", "Protocol: AMQPWSB10"), 400);
  EXPECT_EQ(StatusWith("Sec-WebSocket-Protocol: mqtt\r\n", ""), 400);
}

TEST(HandshakeTest, ARefusalSaysWhatToDo) {
  std::string answer;
  AppendAnswer(JudgeBytes("GET /mqtt HTTP/1.1\r\nHost: h\r\n\r\n"), &answer);
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 426 Upgrade Required\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nSec-WebSocket-Version: 13\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nonly WebSocket is spoken here\n"));
  EXPECT_THAT(answer, Not(HasSubstr("Sec-WebSocket-Accept")));
}

}  // namespace
}  // namespace fleetcast::websocket
