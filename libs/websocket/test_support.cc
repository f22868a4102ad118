#include "libs/websocket/test_support.h"

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace fleetcast::websocket {
namespace {

void AppendNumber(uint64_t value, int bytes, std::string* out) {
  for (int i = bytes - 1; i >= 0; --i) out->push_back(static_cast<char>(value >> (8 * i)));
}

int ShortestLength(size_t size) { return size < 126 ? 1 : size <= UINT16_MAX ? 2 : 8; }

}  // namespace

void AppendClientFrame(const ClientFrame& frame, std::string* out) {
  const size_t size = frame.payload.size();
  out->push_back(static_cast<char>((frame.is_final ? 0x80 : 0) | frame.reserved << 4 | static_cast<int>(frame.opcode)));
  const int length_bytes = frame.length_bytes == 0 ? ShortestLength(size) : frame.length_bytes;
  const int masked = frame.is_masked ? 0x80 : 0;
  if (length_bytes == 1) {
    out->push_back(static_cast<char>(masked | static_cast<int>(size)));
  } else {
    out->push_back(static_cast<char>(masked | (length_bytes == 2 ? 126 : 127)));
    AppendNumber(size, length_bytes, out);
  }
  if (!frame.is_masked) {
    out->append(frame.payload);
    return;
  }
  AppendNumber(frame.mask, 4, out);
  for (size_t i = 0; i < size; ++i) {
    out->push_back(static_cast<char>(frame.payload[i] ^ static_cast<char>(frame.mask >> (8 * (3 - i % 4)))));
  }
}

std::string ClientFrameBytes(const ClientFrame& frame) {
  std::string bytes;
  AppendClientFrame(frame, &bytes);
  return bytes;
}

std::optional<ServerFrame> TakeServerFrame(std::string* bytes) {
  if (bytes->size() < 2) return std::nullopt;
  const auto at = [&](size_t i) { return static_cast<uint8_t>((*bytes)[i]); };
  if ((at(0) & 0xf0) != 0x80 || (at(1) & 0x80) != 0) return std::nullopt;
  size_t header = 2;
  uint64_t size = at(1);
  if (size >= 126) {
    header += size == 126 ? 2 : 8;
    if (bytes->size() < header) return std::nullopt;
    size = 0;
    for (size_t i = 2; i < header; ++i) size = size << 8 | at(i);
  }
  if (bytes->size() - header < size) return std::nullopt;
  ServerFrame frame{static_cast<Opcode>(at(0) & 0x0f), bytes->substr(header, size)};
  bytes->erase(0, header + size);
  return frame;
}

std::string UpgradeRequest(std::string_view target, std::string_view protocol, std::string_view extra) {
  return absl::StrCat("GET ", Absl(target),
                      " HTTP/1.1\r\nHost: hub.test.local\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                      "Sec-WebSocket-Protocol: ",
                      Absl(protocol), "\r\n", Absl(extra), "\r\n");
}

}  // namespace fleetcast::websocket
