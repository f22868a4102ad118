// WebSocket frames (RFC 6455, section 5) for the server's end: bytes in, bytes out. No I/O, no time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fleetcast::websocket {

// Section 5.2.
enum class Opcode : uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xa,
};

// Section 7.4.1, those that a server sends.
enum class CloseCode : uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kUnsupportedData = 1003,
  kInvalidText = 1007,
  kPolicyViolation = 1008,
  kTooBig = 1009,
};

// Why bytes of a client are not taken. The connection has to be closed.
enum class Violation : uint8_t {
  kNone,
  kReservedBits,    // RSV1 to RSV3: no extension was negotiated (5.2).
  kReservedOpcode,  // 3 to 7, 11 to 15.
  kUnmasked,        // 5.1
  kText,            // Only binary messages (MQTT-6.0.0-1).
  kFragmentation,   // A continuation of nothing, or a new message within another one (5.4).
  kControlFrame,    // Longer than 125 bytes, or fragmented (5.5).
  kLength,          // Not in its shortest form, or with the top bit (5.2).
  kTooLarge,        // Message longer than allowed.
  kBadClose,        // A close frame with one byte, or a code that may not be on the wire (7.4).
  kBadCloseText,    // A close frame whose reason is not UTF-8 (5.5.1).
};
inline constexpr int kViolations = static_cast<int>(Violation::kBadCloseText) + 1;

// A short snake_case name for logs and metric labels.
const char* ViolationName(Violation violation);

// The code of the close frame that answers it.
CloseCode CloseCodeOf(Violation violation);

inline constexpr size_t kControlBytesMax = 125;      // 5.5
inline constexpr size_t kClientHeaderBytesMax = 14;  // Two, eight of length, four of mask.

// Cuts a client's bytes into frames and takes off what is WebSocket. Holds at most one header and one control frame,
// and never allocates. Not thread-safe; about 180 bytes.
class FrameDecoder {
 public:
  // A binary message may have up to `message_bytes_max` bytes, however it is fragmented; so may each frame.
  explicit FrameDecoder(size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // Takes `size` bytes, which are overwritten: the payload of binary messages is at their front afterwards, unmasked;
  // returns how much that is. Boundaries of messages mean nothing to MQTT (MQTT-6.0.0-2) and are lost.
  //
  // Appends to `answers` what is owed to the client: a pong (of several pings in one call only the last is answered,
  // 5.5.3), or the close frame that ends it all: is_closed() is true then, and further bytes have no effect.
  size_t Decode(char* bytes, size_t size, std::string* answers);

  // A close frame came, or something that is none of it.
  bool is_closed() const { return is_closed_; }
  // Which; kNone after a proper close frame.
  Violation violation() const { return violation_; }

 private:
  size_t TakeHeader(const char* bytes, size_t size);
  size_t HeaderBytes() const;
  void CheckFirstBytes();
  void BeginPayload();
  void EndFrame(std::string* answers, size_t* pong_at);
  void AnswerClose(std::string* answers);
  void Refuse(Violation violation) { violation_ = violation; }
  Opcode opcode() const { return static_cast<Opcode>(header_[0] & 0x0f); }
  bool is_control() const { return (header_[0] & 0x08) != 0; }
  bool is_final() const { return (header_[0] & 0x80) != 0; }

  const size_t message_bytes_max_;
  size_t message_bytes_ = 0;  // Of the message that is being received.
  size_t payload_left_ = 0;   // Of the frame.
  std::array<uint8_t, kClientHeaderBytesMax> header_;
  std::array<char, kControlBytesMax> control_;
  uint8_t header_have_ = 0;
  uint8_t control_have_ = 0;
  uint8_t mask_at_ = 0;         // Which byte of the mask comes next.
  bool is_in_payload_ = false;  // The header is complete.
  bool is_in_message_ = false;  // A fragment came that was not the last.
  bool is_closed_ = false;
  Violation violation_ = Violation::kNone;
};

inline constexpr size_t kServerHeaderBytesMax = 10;

// The header of an unfragmented server frame with `payload_bytes` bytes; returns how many bytes of `header` it takes.
size_t WriteFrameHeader(Opcode opcode, size_t payload_bytes, char (&header)[kServerHeaderBytesMax]);

// Appends an unfragmented server frame.
void AppendFrame(Opcode opcode, std::string_view payload, std::string* out);

// Appends a close frame.
void AppendClose(CloseCode code, std::string* out);

}  // namespace fleetcast::websocket
