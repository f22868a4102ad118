// The opening handshake of MQTT over WebSocket (RFC 6455 section 4.2; device-mqtt.md 1.2): a request in, a decision
// out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/http/request_head.h"

namespace fleetcast::websocket {

// Whether a path (taken apart and percent-decoded, http::ParseTarget) is one at which MQTT over WebSocket is spoken:
// /$iothub/websocket, as SDKs have it, and /mqtt, as everybody else does (D-WS-1).
bool IsMqttPath(const std::vector<std::string>& segments);

// What becomes of a request.
struct Decision {
  int status = 101;           // Of the answer; everything but 101 refuses.
  std::string why = {};       // Of a refusal, for people.
  std::string accept = {};    // Sec-WebSocket-Accept.
  std::string protocol = {};  // The subprotocol, in the client's own spelling (D-WS-2).
};

// 101, or: 400 for what is no proper upgrade or offers no `mqtt`, 404 for another path, 405 for another method, 426 for
// a request without an upgrade, or to another version than 13. Extensions are declined by not naming them (D-WS-3);
// Origin and cookies do not matter (D-WS-5).
Decision Judge(const http::RequestHead& head);

// A refusal without a request that could be judged: 400 or 431.
Decision Refusal(int status, std::string why);

// Appends the answer in HTTP/1.1.
void AppendAnswer(const Decision& decision, std::string* out);

}  // namespace fleetcast::websocket
