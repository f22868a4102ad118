// A client's bytes to the server's end of a WebSocket. They mean the same however they are cut; frames are judged as a
// second, slow implementation judges them; what a client encodes comes out again; answers stay small and well-formed.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "libs/base/check.h"
#include "libs/websocket/server_stream.h"
#include "libs/websocket/test_support.h"

namespace {

namespace websocket = fleetcast::websocket;
using websocket::Opcode;
using websocket::ServerStream;

constexpr size_t kMessageBytesMax = 2000;  // Within reach of an input.
constexpr size_t kAnswerBytesMax = 2048;   // Of one call: an HTTP answer, or a pong and a close frame.

struct Outcome {
  ServerStream::State state = ServerStream::State::kUpgrading;
  int http_status = 0;
  websocket::Violation violation = websocket::Violation::kNone;
  std::string payload = {};
  std::string answers = {};
};

// Feeds `bytes` in pieces of `piece` bytes, each in memory of exactly its size.
Outcome Feed(std::string_view bytes, size_t piece) {
  ServerStream stream(kMessageBytesMax);
  Outcome outcome;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const std::string_view part = bytes.substr(at, piece);
    const std::unique_ptr<char[]> copy(new char[part.size()]);
    std::copy(part.begin(), part.end(), copy.get());
    std::string answers;
    const size_t used = stream.Upgrade(part, &answers);
    FLEETCAST_CHECK(used <= part.size());
    const std::string_view payload = stream.Receive(copy.get() + used, part.size() - used, &answers);
    FLEETCAST_CHECK(payload.size() <= part.size() - used);
    FLEETCAST_CHECK(answers.size() <= kAnswerBytesMax);
    outcome.payload += payload;
    outcome.answers += answers;
  }
  outcome.state = stream.state();
  outcome.http_status = stream.http_status();
  outcome.violation = stream.violation();
  return outcome;
}

// What frames mean, read the slow way from bytes that are all there. Nothing is said about which violation it is.
struct Reference {
  std::string payload = {};
  bool is_refused = false;
  bool is_closed = false;
  int pings = 0;
};

bool IsGoodClose(std::string_view body) {
  if (body.empty()) return true;
  if (body.size() == 1) return false;
  const int code = static_cast<uint8_t>(body[0]) * 256 + static_cast<uint8_t>(body[1]);
  for (const auto& [first, last] : {std::pair(1000, 1003), std::pair(1007, 1014), std::pair(3000, 4999)}) {
    if (code >= first && code <= last) return true;
  }
  return false;
}

Reference ReadSlowly(std::string_view in) {
  Reference reference;
  bool is_open = false;
  size_t message = 0;
  const auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<uint8_t>(in[i])); };
  const auto refuse = [&] {
    reference.is_refused = true;
    return reference;
  };
  while (in.size() >= 2) {
    const uint64_t opcode = byte(0) & 15;
    const bool is_final = byte(0) >= 128;
    const bool is_control = opcode >= 8;
    uint64_t length = byte(1) & 127;
    const bool is_known = opcode == 0 || opcode == 2 || (opcode >= 8 && opcode <= 10);
    if ((byte(0) & 0x70) != 0 || !is_known || byte(1) < 128) return refuse();
    if (is_control && (!is_final || length > 125)) return refuse();
    if (!is_control && (opcode == 0) != is_open) return refuse();
    const size_t extra = length == 127 ? 8 : length == 126 ? 2 : 0;
    if (in.size() < 6 + extra) return reference;
    if (extra > 0) length = 0;
    for (size_t i = 0; i < extra; ++i) length = length * 256 + byte(2 + i);
    if ((extra == 2 && length < 126) || (extra == 8 && (length < 65536 || length >> 63 != 0))) return refuse();
    if (!is_control) {
      if (opcode == 2) message = 0;
      if (length > kMessageBytesMax - message) return refuse();
      message += length;
      is_open = !is_final;
    }
    const std::string_view mask = in.substr(2 + extra, 4);
    in.remove_prefix(6 + extra);
    std::string body(in.substr(0, length));
    for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(body[i] ^ mask[i % 4]);
    if (!is_control) reference.payload += body;
    if (body.size() < length) return reference;
    in.remove_prefix(length);
    if (opcode == 9) ++reference.pings;
    if (opcode != 8) continue;
    if (!IsGoodClose(body)) return refuse();
    reference.is_closed = true;
    return reference;
  }
  return reference;
}

// Frames of the server only: pongs, and at most one close frame at the end.
void CheckAnswers(std::string answers, bool ends_with_close) {
  bool is_closed = false;
  while (!answers.empty()) {
    const std::optional<websocket::ServerFrame> frame = websocket::TakeServerFrame(&answers);
    FLEETCAST_CHECK(frame.has_value() && !is_closed);
    FLEETCAST_CHECK(frame->opcode == Opcode::kPong || frame->opcode == Opcode::kClose);
    is_closed = frame->opcode == Opcode::kClose;
  }
  FLEETCAST_CHECK(is_closed == ends_with_close);
}

void CheckFrames(std::string_view frames, size_t piece) {
  const std::string request = websocket::UpgradeRequest();
  const Outcome outcome = Feed(request + std::string(frames), piece);
  FLEETCAST_CHECK(outcome.http_status == 101);
  const Reference reference = ReadSlowly(frames);
  const bool is_bad_text =
      outcome.violation == websocket::Violation::kBadCloseText;  // UTF-8 has a reference elsewhere.
  FLEETCAST_CHECK(outcome.payload == reference.payload);
  FLEETCAST_CHECK((outcome.violation != websocket::Violation::kNone) == (reference.is_refused || is_bad_text));
  const bool is_closed = reference.is_refused || reference.is_closed;
  FLEETCAST_CHECK((outcome.state == ServerStream::State::kClosed) == is_closed);
  CheckAnswers(outcome.answers.substr(outcome.answers.find("\r\n\r\n") + 4), is_closed);
}

// Any bytes as payload, in frames of some sizes with pings between them.
void CheckRoundTrip(std::string_view payload, size_t piece) {
  std::string bytes = websocket::UpgradeRequest();
  bool is_open = false;
  std::string_view rest = payload;
  for (size_t i = 0; !rest.empty(); ++i) {
    const size_t size = std::min(rest.size(), static_cast<size_t>(static_cast<uint8_t>(rest.front())) + 1);
    const bool is_final = (size & 1) != 0;
    const auto mask = static_cast<uint32_t>(0x9e3779b9 * (i + size));
    websocket::AppendClientFrame({.opcode = is_open ? Opcode::kContinuation : Opcode::kBinary,
                                  .is_final = is_final,
                                  .mask = mask,
                                  .payload = rest.substr(0, size)},
                                 &bytes);
    if (size % 3 == 0) websocket::AppendClientFrame({.opcode = Opcode::kPing, .mask = mask, .payload = "p"}, &bytes);
    is_open = !is_final;
    rest.remove_prefix(size);
  }
  const Outcome outcome = Feed(bytes, piece);
  if (outcome.violation == websocket::Violation::kTooLarge) return;  // Fragments of more than a message.
  FLEETCAST_CHECK(outcome.state == ServerStream::State::kOpen && outcome.payload == payload);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece = static_cast<size_t>(data[0]) + 1;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = Feed(bytes, std::max<size_t>(bytes.size(), 1));
  const Outcome cut = Feed(bytes, piece);
  FLEETCAST_CHECK(whole.state == cut.state && whole.http_status == cut.http_status);
  FLEETCAST_CHECK(whole.violation == cut.violation && whole.payload == cut.payload);
  CheckFrames(bytes, piece);
  CheckRoundTrip(bytes, piece);
  return 0;
}
