// For tests: the words of a device at MQTT 5.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "services/mqtt_edge/connection/connection_harness.h"

namespace fleetcast::mqtt_edge {

// Clean Start, with this session expiry.
inline mqtt::Connect CleanConnect5(std::optional<uint32_t> session_expiry = std::nullopt) {
  mqtt::Connect connect = Harness::Connect5();
  connect.clean_session = true;
  connect.properties.session_expiry_seconds = session_expiry;
  return connect;
}

// With a will that is telemetry.
inline mqtt::Connect WillConnect5() {
  mqtt::Connect connect = Harness::Connect5();
  connect.will = mqtt::Will{.topic = "devices/dev-1/messages/events/", .payload = "gone", .qos = 1};
  return connect;
}

// The token as authentication data instead of a password.
inline mqtt::Connect SasConnect5() {
  mqtt::Connect connect = Harness::Connect5();
  connect.password.reset();
  connect.properties.authentication_method = kSasMethod;
  connect.properties.authentication_data = kDevicePassword;
  return connect;
}

// A CONNECT that is refused at the edge with this reason.
inline void ExpectRefused(const mqtt::Connect& connect, mqtt::ReasonCode reason) {
  Harness harness;
  harness.SendConnect5(connect);
  EXPECT_EQ(harness.Take5<mqtt::Connack>().reason, reason);
  EXPECT_FALSE(harness.is_open());
  EXPECT_TRUE(harness.hub().opens.empty());
}

// A connected device says these bytes, and the edge ends the connection with this reason.
inline void ExpectDisconnect(std::string_view bytes, mqtt::ReasonCode reason) {
  Harness harness;
  harness.ConnectWith5(Harness::Connect5());
  harness.SendBytes(bytes);
  EXPECT_EQ(harness.Take5<mqtt::Disconnect>().reason, reason);
  EXPECT_FALSE(harness.is_open());
}

// `packet` as it goes over the wire.
template <typename Packet>
std::string Bytes5(const Packet& packet) {
  std::string bytes;
  mqtt::Encode(packet, &bytes, mqtt::kLevel5);
  return bytes;
}

}  // namespace fleetcast::mqtt_edge
