// Watches what goes into and comes out of one Connection, and aborts when it does what it never may:
//
//   - anything before CONNACK; anything after its end or DISCONNECT, but the words that calls were not sent
//   - a packet that is not one of a server's
//   - a call written twice, or written and denied; an answer or a loss of a call that was not written, or a second one
//   - a PUBACK, SUBACK or UNSUBACK out of the order of the packets that it acknowledges
//   - an older desired version after a newer one (from an honest hub)
//   - a session that is opened or ended twice, or ended without having been accepted
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/mqtt/codec.h"
#include "services/mqtt_edge/connection/effects.h"

namespace fleetcast::fuzz {

// Goes on with `digest`: equal for equal texts in equal order (FNV-1a).
void Digest(std::string_view text, uint64_t* digest);

// Whether `acknowledged` are the first of `sent`, in order.
inline bool IsPrefix(const std::vector<uint16_t>& acknowledged, const std::vector<uint16_t>& sent) {
  return acknowledged.size() <= sent.size() && std::equal(acknowledged.begin(), acknowledged.end(), sent.begin());
}

class ConnectionOracle {
 public:
  explicit ConnectionOracle(bool hub_is_honest) : hub_is_honest_(hub_is_honest) {}

  // The device sends `bytes`; called with what the connection is going to get.
  void Sent(std::string_view bytes);
  // The connection has written `bytes`. `was_closed`: it had ended before.
  void Wrote(std::string_view bytes, bool was_closed);
  // What the connection told the hub.
  void Reported(const mqtt_edge::CallReport& report, bool was_closed);
  void Opened(bool was_closed);
  void EndedSession(bool was_closed);
  // After everything: `is_closed` says how the connection stands.
  void Finish(bool is_closed) const;

  // Packet ids in the order in which they were acknowledged.
  const std::vector<uint16_t>& pubacks() const { return pubacks_; }
  const std::vector<uint16_t>& subacks() const { return subacks_; }
  // Digests of the PUBLISHes but desired changes, and of what is no acknowledgement, in their order.
  uint64_t publishes() const { return publishes_; }
  uint64_t others() const { return others_; }

 private:
  struct Call {
    int written = 0;
    int sent = 0;
    int ended = 0;  // Answered or lost.
  };

  void Check(const mqtt::Packet& packet);
  void CheckAcknowledgement(const mqtt::Packet& packet);
  void CheckPublish(const mqtt::Publish& publish);
  std::string TopicOf(const mqtt::Publish& publish);
  bool is_level5() const { return level_ == mqtt::kLevel5; }

  const bool hub_is_honest_;
  mqtt::PacketReader sent_reader_;
  std::optional<mqtt::PacketReader> written_reader_;  // Of the level of the CONNECT, once something is written.
  uint8_t level_ = 0;                                 // Of the first CONNECT, once it has been sent.
  bool has_connack_ = false;
  bool is_accepted_ = false;
  bool has_disconnect_ = false;
  std::map<uint16_t, std::string> topics_;  // By alias (MQTT 5).
  int opened_ = 0;
  int ended_ = 0;
  int64_t desired_version_ = 0;
  std::map<uint64_t, Call> calls_;
  std::vector<uint16_t> publish_ids_;    // Sent at QoS 1.
  std::vector<uint16_t> subscribe_ids_;  // Of SUBSCRIBE and UNSUBSCRIBE.
  std::vector<uint16_t> pubacks_;
  std::vector<uint16_t> subacks_;
  uint64_t publishes_ = 0;
  uint64_t others_ = 0;
};

}  // namespace fleetcast::fuzz
