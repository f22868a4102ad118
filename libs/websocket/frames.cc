#include "libs/websocket/frames.h"

#include <algorithm>
#include <cstring>

#include "libs/json/json.h"

namespace fleetcast::websocket {
namespace {

constexpr uint8_t kFinal = 0x80;
constexpr uint8_t kReserved = 0x70;
constexpr uint8_t kMasked = 0x80;
constexpr uint8_t kLength7 = 0x7f;
constexpr uint8_t kLength16 = 126;
constexpr uint8_t kLength64 = 127;
constexpr size_t kMaskBytes = 4;

// Copies `size` bytes towards the front, or leaves them where they are, and takes off `mask`, of which byte `at` comes
// first. `to` is not behind `from`: what is read has not been overwritten yet.
void Unmask(const char* from, size_t size, const uint8_t* mask, uint8_t at, char* to) {
  std::array<uint8_t, 8> turned;
  for (size_t i = 0; i < turned.size(); ++i) turned[i] = mask[(at + i) % kMaskBytes];
  uint64_t wide = 0;
  std::memcpy(&wide, turned.data(), sizeof(wide));
  size_t i = 0;
  for (; i + sizeof(wide) <= size; i += sizeof(wide)) {
    uint64_t word = 0;
    std::memcpy(&word, from + i, sizeof(word));
    word ^= wide;
    std::memcpy(to + i, &word, sizeof(word));
  }
  for (; i < size; ++i) to[i] = static_cast<char>(static_cast<uint8_t>(from[i]) ^ turned[i % turned.size()]);
}

uint64_t BigEndian(const uint8_t* bytes, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | bytes[i];
  return value;
}

// 7.4: codes that are defined and may be sent, registered ones and private ones.
bool IsCloseCode(uint64_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

const char* ViolationName(Violation violation) {
  constexpr std::array<const char*, kViolations> kNames = {
      "none",          "reserved_bits", "reserved_opcode", "unmasked",  "text",           "fragmentation",
      "control_frame", "length",        "too_large",       "bad_close", "bad_close_text",
  };
  return kNames[static_cast<size_t>(violation)];
}

CloseCode CloseCodeOf(Violation violation) {
  switch (violation) {
    case Violation::kNone: return CloseCode::kNormal;
    case Violation::kText: return CloseCode::kUnsupportedData;
    case Violation::kTooLarge: return CloseCode::kTooBig;
    case Violation::kBadCloseText: return CloseCode::kInvalidText;
    case Violation::kReservedBits:
    case Violation::kReservedOpcode:
    case Violation::kUnmasked:
    case Violation::kFragmentation:
    case Violation::kControlFrame:
    case Violation::kLength:
    case Violation::kBadClose: return CloseCode::kProtocolError;
  }
  return CloseCode::kProtocolError;
}

size_t FrameDecoder::Decode(char* bytes, size_t size, std::string* answers) {
  size_t in = 0;
  size_t out = 0;
  size_t pong_at = std::string::npos;
  while (in < size && !is_closed_) {
    if (!is_in_payload_) {
      in += TakeHeader(bytes + in, size - in);
    } else {
      const size_t count = std::min(payload_left_, size - in);
      char* const to = is_control() ? control_.data() + control_have_ : bytes + out;
      Unmask(bytes + in, count, header_.data() + HeaderBytes() - kMaskBytes, mask_at_, to);
      if (is_control()) {
        control_have_ = static_cast<uint8_t>(control_have_ + count);
      } else {
        out += count;
      }
      mask_at_ = static_cast<uint8_t>((mask_at_ + count) % kMaskBytes);
      payload_left_ -= count;
      in += count;
    }
    if (is_in_payload_ && payload_left_ == 0) EndFrame(answers, &pong_at);
    if (violation_ == Violation::kNone) continue;
    is_closed_ = true;
    AppendClose(CloseCodeOf(violation_), answers);
  }
  return out;
}

size_t FrameDecoder::TakeHeader(const char* bytes, size_t size) {
  size_t taken = 0;
  while (taken < size && header_have_ < HeaderBytes()) {
    header_[header_have_++] = static_cast<uint8_t>(bytes[taken++]);
    if (header_have_ != 2) continue;
    CheckFirstBytes();  // Before what they announce is waited for.
    if (violation_ != Violation::kNone) return taken;
  }
  if (header_have_ == HeaderBytes()) BeginPayload();
  return taken;
}

size_t FrameDecoder::HeaderBytes() const {
  if (header_have_ < 2) return 2;
  const uint8_t length = header_[1] & kLength7;
  return 2 + kMaskBytes + (length == kLength64 ? 8 : length == kLength16 ? 2 : 0);
}

void FrameDecoder::CheckFirstBytes() {
  if ((header_[0] & kReserved) != 0) return Refuse(Violation::kReservedBits);
  switch (opcode()) {
    case Opcode::kClose:
    case Opcode::kPing:
    case Opcode::kPong:
      if (!is_final() || (header_[1] & kLength7) > kControlBytesMax) return Refuse(Violation::kControlFrame);
      break;
    case Opcode::kContinuation:
      if (!is_in_message_) return Refuse(Violation::kFragmentation);
      break;
    case Opcode::kBinary:
      if (is_in_message_) return Refuse(Violation::kFragmentation);
      break;
    case Opcode::kText: return Refuse(is_in_message_ ? Violation::kFragmentation : Violation::kText);
    default: return Refuse(Violation::kReservedOpcode);
  }
  if ((header_[1] & kMasked) == 0) Refuse(Violation::kUnmasked);
}

void FrameDecoder::BeginPayload() {
  uint64_t length = header_[1] & kLength7;
  if (length == kLength16) {
    length = BigEndian(header_.data() + 2, 2);
    if (length < kLength16) return Refuse(Violation::kLength);
  } else if (length == kLength64) {
    length = BigEndian(header_.data() + 2, 8);
    if (length <= UINT16_MAX || length > INT64_MAX) return Refuse(Violation::kLength);
  }
  if (!is_control()) {
    if (opcode() == Opcode::kBinary) message_bytes_ = 0;
    if (length > message_bytes_max_ - message_bytes_) return Refuse(Violation::kTooLarge);
    message_bytes_ += static_cast<size_t>(length);
    is_in_message_ = !is_final();
  }
  payload_left_ = static_cast<size_t>(length);
  control_have_ = 0;
  mask_at_ = 0;
  is_in_payload_ = true;
}

void FrameDecoder::EndFrame(std::string* answers, size_t* pong_at) {
  is_in_payload_ = false;
  header_have_ = 0;
  if (opcode() == Opcode::kClose) return AnswerClose(answers);
  if (opcode() != Opcode::kPing) return;
  if (*pong_at != std::string::npos) answers->resize(*pong_at);
  *pong_at = answers->size();
  AppendFrame(Opcode::kPong, {control_.data(), control_have_}, answers);
}

void FrameDecoder::AnswerClose(std::string* answers) {
  const std::string_view body(control_.data(), control_have_);
  if (body.size() == 1) return Refuse(Violation::kBadClose);
  if (!body.empty()) {
    const uint64_t code = BigEndian(reinterpret_cast<const uint8_t*>(body.data()), 2);
    if (!IsCloseCode(code)) return Refuse(Violation::kBadClose);
    if (!json::IsValidUtf8(body.substr(2))) return Refuse(Violation::kBadCloseText);
  }
  is_closed_ = true;
  AppendFrame(Opcode::kClose, body.substr(0, 2), answers);  // 5.5.1: with the code that was received.
}

size_t WriteFrameHeader(Opcode opcode, size_t payload_bytes, char (&header)[kServerHeaderBytesMax]) {
  header[0] = static_cast<char>(kFinal | static_cast<uint8_t>(opcode));
  if (payload_bytes < kLength16) {
    header[1] = static_cast<char>(payload_bytes);
    return 2;
  }
  const size_t bytes = payload_bytes <= UINT16_MAX ? 2 : 8;
  header[1] = static_cast<char>(bytes == 2 ? kLength16 : kLength64);
  for (size_t i = 0; i < bytes; ++i) header[2 + i] = static_cast<char>(payload_bytes >> (8 * (bytes - 1 - i)));
  return 2 + bytes;
}

void AppendFrame(Opcode opcode, std::string_view payload, std::string* out) {
  char header[kServerHeaderBytesMax];
  out->append(header, WriteFrameHeader(opcode, payload.size(), header));
  out->append(payload);
}

void AppendClose(CloseCode code, std::string* out) {
  const auto number = static_cast<uint16_t>(code);
  const char body[] = {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
  AppendFrame(Opcode::kClose, {body, sizeof(body)}, out);
}

}  // namespace fleetcast::websocket
