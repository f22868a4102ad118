// For tests: the client's end of a WebSocket, as bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/websocket/frames.h"

namespace fleetcast::websocket {

// A frame as a client sends it; the defaults are those of a good one.
struct ClientFrame {
  Opcode opcode = Opcode::kBinary;
  bool is_final = true;
  bool is_masked = true;
  uint8_t reserved = 0;  // RSV1 to RSV3 as the bits 4, 2 and 1.
  int length_bytes = 0;  // 0 = as short as possible; else 1, 2 or 8 bytes of length.
  uint32_t mask = 0x01020304;
  std::string_view payload = {};
};

void AppendClientFrame(const ClientFrame& frame, std::string* out);
std::string ClientFrameBytes(const ClientFrame& frame);

// A frame as a server sent it.
struct ServerFrame {
  Opcode opcode = Opcode::kBinary;
  std::string payload;
};

// Takes the first frame off `bytes`; nothing when it is not complete, is masked, fragmented or has reserved bits.
std::optional<ServerFrame> TakeServerFrame(std::string* bytes);

// A good request for an upgrade; `extra` are more header lines, each with its CRLF.
std::string UpgradeRequest(std::string_view target = "/$iothub/websocket", std::string_view protocol = "mqtt",
                           std::string_view extra = "");

// What a server answers to the key of UpgradeRequest.
inline constexpr std::string_view kUpgradeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

}  // namespace fleetcast::websocket
