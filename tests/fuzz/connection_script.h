// The language of the inputs of mqtt_connection: a header, then steps of one byte and their arguments. Every byte
// string is a script; what is missing at its end reads as 0.
//
// Header: bits 0 honest hub, 1 clean session, 2 the first CONNECT comes by itself, 3 of
// MQTT 5; then the stored subscriptions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace fleetcast::fuzz {

enum class Step : uint8_t {
  // The device sends.
  kBytes,      // Length, bytes: anything.
  kConnect,    // Keep-alive in seconds, bits of oddities.
  kFilters,    // Bits: filters; 0x80 unsubscribes; 0x40 a foreign filter as well; packet id.
  kAnswer,     // Which of the last calls; QoS 1 if odd; packet id.
  kTwinRead,   // QoS 1 if odd; packet id.
  kPatch,      // Size in units of 256 bytes; packet id.
  kTelemetry,  // Bits of QoS, DUP, RETAIN; packet id.
  kSmall,      // PINGREQ, PUBACK, DISCONNECT.
  // The hub.
  kCall,      // Size of the payload in KiB; seconds of its permit.
  kRepeat,    // Which of the last calls.
  kDesired,   // How far the version jumps: 1 from an honest hub.
  kOrder,     // 0: the session's epoch; else another one.
  kOpened,    // Result code; nothing from an honest hub, as what follows.
  kSaved,     // What is said to be saved: 0 what was asked, 1 failed, else any.
  kRead,      // Status: 200, 404 or 503.
  kPatched,   // Status: 204, 400 or 412.
  kTaken,     // Which call.
  kLinkLost,  // It is lost; it comes again.
  kLinkUp,
  // The world.
  kTime,     // Seconds.
  kBlocked,  // The socket takes no more.
  kDrained,  // The socket has taken everything.
  kCount
};

class Script {
 public:
  explicit Script(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }
  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return byte;
  }
  Step NextStep() { return static_cast<Step>(Byte() % static_cast<int>(Step::kCount)); }
  std::string_view Bytes() {
    const size_t wanted = Byte();
    const std::string_view bytes = rest_.substr(0, std::min(wanted, rest_.size()));
    rest_.remove_prefix(bytes.size());
    return bytes;
  }

 private:
  std::string_view rest_;
};

}  // namespace fleetcast::fuzz
