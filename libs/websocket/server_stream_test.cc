#include "libs/websocket/server_stream.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/websocket/test_support.h"

namespace fleetcast::websocket {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using State = ServerStream::State;

class ServerStreamTest : public ::testing::Test {
 protected:
  void Feed(std::string bytes, size_t piece = std::string::npos) {
    for (size_t at = 0; at < bytes.size();) {
      std::string part = bytes.substr(at, piece);
      at += part.size();
      const size_t used = stream_.Upgrade(part, &answers_);
      payload_ += stream_.Receive(part.data() + used, part.size() - used, &answers_);
    }
  }

  ServerStream stream_{300'005};
  std::string payload_;
  std::string answers_;
};

TEST_F(ServerStreamTest, OpensAndTakesPayloadThatCameWithTheRequest) {
  Feed(UpgradeRequest() + ClientFrameBytes({.payload = "first"}));
  EXPECT_EQ(stream_.state(), State::kOpen);
  EXPECT_EQ(stream_.http_status(), 101);
  EXPECT_THAT(answers_, StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(answers_, EndsWith("\r\n\r\n"));
  EXPECT_EQ(payload_, "first");
}

TEST_F(ServerStreamTest, OpensByteByByte) {
  Feed(UpgradeRequest() + ClientFrameBytes({.payload = "first"}), 1);
  EXPECT_EQ(stream_.state(), State::kOpen);
  EXPECT_EQ(payload_, "first");
}

TEST_F(ServerStreamTest, RefusesWhatIsNotHttpAtItsFirstByte) {
  Feed("\x10");
  EXPECT_EQ(stream_.state(), State::kClosed);
  EXPECT_EQ(stream_.http_status(), 400);
}

TEST_F(ServerStreamTest, RefusesAMalformedHead) {
  Feed("GET /mqtt HTTP/1.1\r\nno colon\r\n\r\n");
  EXPECT_EQ(stream_.http_status(), 400);
}

TEST_F(ServerStreamTest, RefusesALargeHeadWithoutReadingItAll) {
  Feed("GET /mqtt HTTP/1.1\r\nX: " + std::string(kHeadBytesMax, 'x'), 1000);
  EXPECT_EQ(stream_.state(), State::kClosed);
  EXPECT_THAT(answers_, StartsWith("HTTP/1.1 431 "));
}

TEST_F(ServerStreamTest, TakesTheLargestHead) {
  const size_t rest = UpgradeRequest("/mqtt", "mqtt", "X: \r\n").size();
  Feed(UpgradeRequest("/mqtt", "mqtt", "X: " + std::string(kHeadBytesMax - rest, 'x') + "\r\n"));
  EXPECT_EQ(stream_.http_status(), 101);
}

TEST_F(ServerStreamTest, ARefusedOneTakesNothingMore) {
  Feed(UpgradeRequest("/other") + ClientFrameBytes({.payload = "x"}));
  Feed(ClientFrameBytes({.payload = "y"}));
  EXPECT_EQ(stream_.http_status(), 404);
  EXPECT_EQ(payload_, "");
}

TEST_F(ServerStreamTest, ClosesWithOneCloseFrame) {
  Feed(UpgradeRequest());
  answers_.clear();
  stream_.Close(CloseCode::kGoingAway, &answers_);
  stream_.Close(CloseCode::kNormal, &answers_);
  EXPECT_EQ(answers_, "\x88\x02\x03\xe9");
}

TEST_F(ServerStreamTest, SaysNothingToWhoeverWasNotOpen) {
  stream_.Close(CloseCode::kGoingAway, &answers_);
  EXPECT_EQ(answers_, "");
  EXPECT_EQ(stream_.state(), State::kClosed);
}

TEST_F(ServerStreamTest, AnswersAClientsClose) {
  Feed(UpgradeRequest());
  answers_.clear();
  Feed(ClientFrameBytes({.opcode = Opcode::kClose, .payload = "\x03\xe8"}));
  EXPECT_EQ(stream_.state(), State::kClosed);
  EXPECT_EQ(stream_.violation(), Violation::kNone);
  stream_.Close(CloseCode::kNormal, &answers_);
  EXPECT_EQ(answers_, "\x88\x02\x03\xe8");
}

TEST_F(ServerStreamTest, FramesWhatWeSend) {
  std::string nothing;
  stream_.Frame(&nothing);
  EXPECT_EQ(nothing, "");
  std::string bytes(300, 'x');
  stream_.Frame(&bytes);
  EXPECT_EQ(bytes, "\x82\x7e\x01\x2c" + std::string(300, 'x'));
  std::string behind = "HTTP" + std::string(2, 'y');
  stream_.Frame(&behind, 4);
  EXPECT_EQ(behind, "HTTP\x82\x02yy");
}

}  // namespace
}  // namespace fleetcast::websocket
