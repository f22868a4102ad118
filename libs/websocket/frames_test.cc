// One test per rule of RFC 6455 that concerns frames.
#include "libs/websocket/frames.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "libs/websocket/test_support.h"

namespace fleetcast::websocket {
namespace {

using namespace std::string_literals;

constexpr size_t kMessageMax = 300'005;

struct Decoded {
  std::string payload;
  std::string answers;
};

// Feeds `bytes` in pieces of `piece` bytes.
Decoded Feed(FrameDecoder& decoder, std::string bytes, size_t piece = std::string::npos) {
  Decoded decoded;
  for (size_t at = 0; at < bytes.size();) {
    std::string part = bytes.substr(at, piece);
    at += part.size();
    const size_t count = decoder.Decode(part.data(), part.size(), &decoded.answers);
    decoded.payload.append(part, 0, count);
  }
  return decoded;
}

std::string CloseFrame(CloseCode code) {
  std::string bytes;
  AppendClose(code, &bytes);
  return bytes;
}

std::string Pong(std::string_view payload) {
  std::string bytes;
  AppendFrame(Opcode::kPong, payload, &bytes);
  return bytes;
}

std::string Pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 256);
  return text;
}

void ExpectViolation(const std::string& bytes, Violation violation) {
  for (const size_t piece : {std::string::npos, size_t{1}}) {
    FrameDecoder decoder(kMessageMax);
    const Decoded decoded = Feed(decoder, bytes, piece);
    EXPECT_EQ(ViolationName(decoder.violation()), std::string(ViolationName(violation)));
    EXPECT_TRUE(decoder.is_closed());
    EXPECT_EQ(decoded.answers, CloseFrame(CloseCodeOf(violation)));
    EXPECT_EQ(Feed(decoder, ClientFrameBytes({.payload = "late"})).payload, "");
  }
}

// The header alone: what is wrong with it must not wait for a payload.
std::string HeaderOf(ClientFrame frame, size_t payload_bytes) {
  const std::string payload(payload_bytes, 'x');
  frame.payload = payload;
  const std::string bytes = ClientFrameBytes(frame);
  return bytes.substr(0, bytes.size() - payload_bytes);
}

TEST(FrameDecoderTest, UnmasksEveryLengthInPlaceFromAnyPieces) {
  for (const size_t size : {0, 1, 7, 8, 9, 125, 126, 127, 65'535, 65'536, 200'000}) {
    const std::string payload = Pattern(size);
    const std::string bytes = ClientFrameBytes({.mask = 0xdeadbeef, .payload = payload});
    for (const size_t piece : {std::string::npos, size_t{4096}, size_t{13}, size_t{1}}) {
      FrameDecoder decoder(kMessageMax);
      const Decoded decoded = Feed(decoder, bytes, piece);
      EXPECT_TRUE(decoded.payload == payload) << size << " in pieces of " << piece;
      EXPECT_EQ(decoded.answers, "");
      EXPECT_FALSE(decoder.is_closed());
    }
  }
}

TEST(FrameDecoderTest, JoinsThePayloadOfFramesThatCameTogether) {
  std::string bytes;
  for (const char* text : {"one", "", "two", "three"}) AppendClientFrame({.payload = text}, &bytes);
  FrameDecoder decoder(kMessageMax);
  EXPECT_EQ(Feed(decoder, bytes).payload, "onetwothree");
}

TEST(FrameDecoderTest, Rule5_4FragmentsWithControlFramesBetweenThem) {
  std::string bytes;
  AppendClientFrame({.is_final = false, .payload = "a"}, &bytes);
  AppendClientFrame({.opcode = Opcode::kPing, .payload = "p"}, &bytes);
  AppendClientFrame({.opcode = Opcode::kContinuation, .is_final = false, .payload = ""}, &bytes);
  AppendClientFrame({.opcode = Opcode::kContinuation, .payload = "b"}, &bytes);
  AppendClientFrame({.payload = "c"}, &bytes);
  FrameDecoder decoder(kMessageMax);
  const Decoded decoded = Feed(decoder, bytes);
  EXPECT_EQ(decoded.payload, "abc");
  EXPECT_EQ(decoded.answers, Pong("p"));
}

TEST(FrameDecoderTest, Rule5_4ContinuationOfNothing) {
  ExpectViolation(HeaderOf({.opcode = Opcode::kContinuation}, 1), Violation::kFragmentation);
  ExpectViolation(ClientFrameBytes({.payload = "a"}) + HeaderOf({.opcode = Opcode::kContinuation}, 1),
                  Violation::kFragmentation);
}

TEST(FrameDecoderTest, Rule5_4NewMessageWithinAnother) {
  const std::string open = ClientFrameBytes({.is_final = false});
  ExpectViolation(open + HeaderOf({}, 1), Violation::kFragmentation);
  ExpectViolation(open + HeaderOf({.opcode = Opcode::kText}, 1), Violation::kFragmentation);
}

TEST(FrameDecoderTest, Rule5_1UnmaskedFrame) {
  ExpectViolation(HeaderOf({.is_masked = false}, 1), Violation::kUnmasked);
  ExpectViolation(HeaderOf({.opcode = Opcode::kPing, .is_masked = false}, 0), Violation::kUnmasked);
}

TEST(FrameDecoderTest, Rule5_2ReservedBitsAndOpcodes) {
  for (const int bits : {1, 2, 4}) {
    ExpectViolation(HeaderOf({.reserved = static_cast<uint8_t>(bits)}, 1), Violation::kReservedBits);
  }
  for (const int opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    ExpectViolation(HeaderOf({.opcode = static_cast<Opcode>(opcode)}, 1), Violation::kReservedOpcode);
  }
}

TEST(FrameDecoderTest, Rule5_2LengthInItsShortestForm) {
  ExpectViolation(HeaderOf({.length_bytes = 2}, 125), Violation::kLength);
  ExpectViolation(HeaderOf({.length_bytes = 8}, 65'535), Violation::kLength);
  ExpectViolation("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0"s, Violation::kLength);
}

TEST(FrameDecoderTest, Mqtt6_0_0_1TextFrame) {
  ExpectViolation(HeaderOf({.opcode = Opcode::kText}, 1), Violation::kText);
  EXPECT_EQ(CloseCodeOf(Violation::kText), CloseCode::kUnsupportedData);
}

TEST(FrameDecoderTest, DWs4CapsAFrameAndAnAssembledMessage) {
  ExpectViolation(HeaderOf({}, kMessageMax + 1), Violation::kTooLarge);
  ExpectViolation("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"s, Violation::kTooLarge);
  const std::string most(kMessageMax, 'x');
  FrameDecoder decoder(kMessageMax);
  EXPECT_EQ(Feed(decoder, ClientFrameBytes({.payload = most})).payload, most);
  EXPECT_EQ(Feed(decoder, ClientFrameBytes({.is_final = false, .payload = most})).payload, most);
  EXPECT_FALSE(decoder.is_closed());
  EXPECT_EQ(Feed(decoder, HeaderOf({.opcode = Opcode::kContinuation}, 1)).answers, CloseFrame(CloseCode::kTooBig));
}

TEST(FrameDecoderTest, Rule5_5ControlFramesAreShortAndWhole) {
  for (const Opcode opcode : {Opcode::kClose, Opcode::kPing, Opcode::kPong}) {
    ExpectViolation(HeaderOf({.opcode = opcode}, 126), Violation::kControlFrame);
    ExpectViolation(HeaderOf({.opcode = opcode, .is_final = false}, 1), Violation::kControlFrame);
  }
}

TEST(FrameDecoderTest, Rule5_5_2PingIsAnsweredWithItsPayload) {
  for (const std::string& payload : {""s, "x"s, Pattern(125)}) {
    for (const size_t piece : {std::string::npos, size_t{1}}) {
      FrameDecoder decoder(kMessageMax);
      const std::string ping = ClientFrameBytes({.opcode = Opcode::kPing, .mask = 0xa1b2c3d4, .payload = payload});
      EXPECT_EQ(Feed(decoder, ping, piece).answers, Pong(payload));
    }
  }
}

TEST(FrameDecoderTest, Rule5_5_3OfManyPingsTheLastIsAnswered) {
  std::string bytes;
  for (int i = 0; i < 1000; ++i) AppendClientFrame({.opcode = Opcode::kPing, .payload = std::to_string(i)}, &bytes);
  FrameDecoder decoder(kMessageMax);
  EXPECT_EQ(Feed(decoder, bytes).answers, Pong("999"));
}

TEST(FrameDecoderTest, Rule5_5_3PongIsTakenAndNotAnswered) {
  FrameDecoder decoder(kMessageMax);
  const Decoded decoded = Feed(decoder, ClientFrameBytes({.opcode = Opcode::kPong, .payload = "unasked"}));
  EXPECT_EQ(decoded.answers + decoded.payload, "");
  EXPECT_FALSE(decoder.is_closed());
}

TEST(FrameDecoderTest, Rule5_5_1CloseIsAnsweredWithItsCode) {
  for (const std::string& body : {""s, "\x03\xe8"s, "\x03\xe9going away"s, "\x0f\xa0"s}) {
    FrameDecoder decoder(kMessageMax);
    const Decoded decoded = Feed(decoder, ClientFrameBytes({.payload = "last"}) +
                                              ClientFrameBytes({.opcode = Opcode::kClose, .payload = body}) +
                                              ClientFrameBytes({.payload = "never"}));
    EXPECT_EQ(decoded.payload, "last");
    std::string answer = decoded.answers;
    const std::optional<ServerFrame> frame = TakeServerFrame(&answer);
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->opcode, Opcode::kClose);
    EXPECT_EQ(frame->payload, body.substr(0, 2));
    EXPECT_TRUE(decoder.is_closed());
    EXPECT_EQ(decoder.violation(), Violation::kNone);
  }
}

TEST(FrameDecoderTest, Rule7_4CloseCodesThatMayNotBeSent) {
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65'535}) {
    const std::string body = {static_cast<char>(code >> 8), static_cast<char>(code)};
    ExpectViolation(ClientFrameBytes({.opcode = Opcode::kClose, .payload = body}), Violation::kBadClose);
  }
  ExpectViolation(ClientFrameBytes({.opcode = Opcode::kClose, .payload = "x"}), Violation::kBadClose);
  ExpectViolation(ClientFrameBytes({.opcode = Opcode::kClose, .payload = "\x03\xe8\xff\xfe"}),
                  Violation::kBadCloseText);
}

TEST(FrameDecoderTest, PayloadBeforeAViolationIsDelivered) {
  FrameDecoder decoder(kMessageMax);
  const Decoded decoded = Feed(decoder, ClientFrameBytes({.payload = "good"}) + HeaderOf({.is_masked = false}, 1));
  EXPECT_EQ(decoded.payload, "good");
  EXPECT_EQ(decoder.violation(), Violation::kUnmasked);
}

TEST(FrameDecoderTest, IsSmall) { EXPECT_LE(sizeof(FrameDecoder), 184u); }

TEST(FrameEncoderTest, WritesTheShortestHeader) {
  for (const size_t size : {0, 1, 125, 126, 65'535, 65'536, 300'000}) {
    const std::string payload = Pattern(size);
    std::string bytes;
    AppendFrame(Opcode::kBinary, payload, &bytes);
    EXPECT_EQ(bytes.size() - size, size < 126 ? 2u : size <= 65'535 ? 4u : 10u);
    const std::optional<ServerFrame> frame = TakeServerFrame(&bytes);
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->opcode, Opcode::kBinary);
    EXPECT_TRUE(frame->payload == payload);
    EXPECT_EQ(bytes, "");
  }
}

}  // namespace
}  // namespace fleetcast::websocket
