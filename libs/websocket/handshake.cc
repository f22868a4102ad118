#include "libs/websocket/handshake.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/strings.h"

namespace fleetcast::websocket {
namespace {

constexpr absl::string_view kKeySuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3
constexpr size_t kKeyBytes = 16;
constexpr absl::string_view kSubprotocol = "mqtt";

// The first token of a header of comma-separated lists that is `wanted` in any letter case.
std::optional<std::string> FindToken(const http::Request& request, absl::string_view header, absl::string_view wanted) {
  for (const http::Header& each : request.headers) {
    if (!absl::EqualsIgnoreCase(each.name, header)) continue;
    for (const absl::string_view word : absl::StrSplit(each.value, ',')) {
      const absl::string_view token = absl::StripAsciiWhitespace(word);
      if (absl::EqualsIgnoreCase(token, wanted)) return std::string(token);
    }
  }
  return std::nullopt;
}

// The value of a header that must be there once.
std::optional<std::string_view> FindOnly(const http::Request& request, std::string_view header) {
  if (request.CountHeader(header) != 1) return std::nullopt;
  return request.FindHeader(header);
}

bool IsKey(std::string_view key) {
  std::string bytes;
  return absl::Base64Unescape(Absl(key), &bytes) && bytes.size() == kKeyBytes;
}

std::string AcceptOf(std::string_view key) {
  const std::string text = absl::StrCat(Absl(key), kKeySuffix);
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

const char* StatusText(int status) {
  switch (status) {
    case 101: return "Switching Protocols";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 426: return "Upgrade Required";
    case 431: return "Request Header Fields Too Large";
    default: return "Bad Request";
  }
}

}  // namespace

bool IsMqttPath(const std::vector<std::string>& segments) {
  if (segments.size() == 1) return segments[0] == "mqtt";
  return segments.size() == 2 && segments[0] == "$iothub" && segments[1] == "websocket";
}

Decision Refusal(int status, std::string why) { return {.status = status, .why = std::move(why)}; }

Decision Judge(const http::RequestHead& head) {
  const http::Request& request = head.request;
  const std::optional<http::Target> target = http::ParseTarget(request.target);
  if (!target) return Refusal(400, "the request target is malformed");
  if (!IsMqttPath(target->segments)) return Refusal(404, "MQTT over WebSocket is at /$iothub/websocket and /mqtt");
  if (request.method != "GET") return Refusal(405, "a WebSocket is opened with GET");
  if (!FindToken(request, "Upgrade", "websocket")) return Refusal(426, "only WebSocket is spoken here");
  if (!FindToken(request, "Connection", "upgrade")) return Refusal(400, "Connection must name Upgrade");
  if (head.version != 11) return Refusal(400, "HTTP/1.1 is needed");
  if (head.has_body) return Refusal(400, "a request for an upgrade has no body");
  if (!FindOnly(request, "Host")) return Refusal(400, "one Host is needed");
  if (FindOnly(request, "Sec-WebSocket-Version") != "13") return Refusal(426, "version 13 of WebSocket is spoken here");
  const std::optional<std::string_view> key = FindOnly(request, "Sec-WebSocket-Key");
  if (!key || !IsKey(*key)) return Refusal(400, "one Sec-WebSocket-Key is needed, base64 of 16 bytes");
  std::optional<std::string> protocol = FindToken(request, "Sec-WebSocket-Protocol", kSubprotocol);
  if (!protocol) return Refusal(400, "the subprotocol mqtt must be offered");
  return {.accept = AcceptOf(*key), .protocol = *std::move(protocol)};
}

void AppendAnswer(const Decision& decision, std::string* out) {
  absl::StrAppend(out, "HTTP/1.1 ", decision.status, " ", StatusText(decision.status), "\r\n");
  if (decision.status == 101) {
    absl::StrAppend(out, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ", decision.accept,
                    "\r\nSec-WebSocket-Protocol: ", decision.protocol, "\r\n\r\n");
    return;
  }
  if (decision.status == 405) absl::StrAppend(out, "Allow: GET\r\n");
  if (decision.status == 426) {
    absl::StrAppend(out, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
  }
  absl::StrAppend(out, "Connection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ",
                  decision.why.size() + 1, "\r\n\r\n", decision.why, "\n");
}

}  // namespace fleetcast::websocket
