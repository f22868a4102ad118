// What MQTT 5 adds to the state of a connection, and how its reasons are told (device-mqtt.md 7.3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "libs/mqtt/packet.h"
#include "services/mqtt_edge/connection/topic_aliases.h"
#include "services/mqtt_edge/edge_metrics.h"

namespace fleetcast::mqtt_edge {

inline constexpr std::string_view kSasMethod = "SAS";               // The one authentication method.
inline constexpr uint32_t kSessionExpiryMax = 7 * 24 * 3600;        // Seconds; what is asked beyond is cut.
inline constexpr uint16_t kServerKeepAlive = 1177;                  // Seconds; told to who asks for more, or for 0.
inline constexpr uint32_t kDevicePacketBytesMin = 128;              // Room for every packet that is no PUBLISH.
inline constexpr std::string_view kTraceparent = "traceparent";     // Name of a user property (W3C trace context).
inline constexpr std::string_view kSharedFilterPrefix = "$share/";  // Shared subscriptions are not offered.

// Of a connection at level 5; one of 3.1.1 has none.
struct Level5 {
  uint32_t packet_bytes_max = UINT32_MAX;               // That the device takes.
  bool wants_reason_strings = true;                     // Request Problem Information.
  uint32_t session_expiry_seconds = 0;                  // As granted; 0: the session ends with the connection.
  bool is_session_expiry_cut = false;                   // Less than was asked for.
  std::optional<uint32_t> last_session_expiry_seconds;  // Of the DISCONNECT, if that says another one.
  bool is_keep_alive_cut = false;                       // kServerKeepAlive instead of what was asked for.
  bool has_method = false;                              // The device authenticated by kSasMethod, and may do it again.
  std::string host;                                     // Of the user name, for that.
  TopicAliases aliases;

  // A token that is being checked (AUTH 0x19).
  struct Renewal {
    std::string token;  // A secret: never logged. Kept for the case that its link is lost before the answer.
    bool is_sent = false;
    absl::Duration deadline;
  };
  std::optional<Renewal> renewal;
};

// Takes from a CONNECT what concerns this level. A failure: the CONNACK's reason.
mqtt::ReasonCode ReadConnect(const mqtt::Connect& connect, Level5* level5);

// Takes from a DISCONNECT for how long the session is to be kept. False when that must not be: who said that its
// session ends with the connection cannot change its mind (3.14.2.2.2).
bool TakeLastExpiry(const mqtt::Disconnect& disconnect, Level5* level5);

// The CONNACK of a connection that is accepted; its views are of constants.
mqtt::Connack AcceptingConnack(const Level5& level5, bool session_present, uint16_t receive_maximum);

// The trace context among the user properties of a packet, in its shortest form. Empty when there is none, more than
// one, or one that is malformed: then the packet counts as one without (W3C trace context 4.3).
std::string TraceparentOf(mqtt::UserProperties user);

// What a refusal of 3.1.1 is at this level.
mqtt::ReasonCode ReasonOf(mqtt::ConnectCode code);

// What DISCONNECT says when the edge ends a connection, unless a better reason is known.
mqtt::ReasonCode ReasonOf(CloseReason reason);

// The same for people, at most 64 bytes; empty when the code says it all.
std::string_view ReasonString(CloseReason reason);

// Why a device may not publish to this topic, or subscribe to this filter, which is outside of its vocabulary: not
// authorized if it looks like a place of some device, else `invalid`.
mqtt::ReasonCode RefusalOf(std::string_view topic, mqtt::ReasonCode invalid);

}  // namespace fleetcast::mqtt_edge
