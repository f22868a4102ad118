// For tests: a device with a real socket that says exactly what it is told to.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libs/mqtt/codec.h"
#include "libs/websocket/test_support.h"
#include "services/mqtt_edge/transport/listener_kind.h"

namespace fleetcast::mqtt_edge {

// Connects to 127.0.0.1. Blocking, with a limit of 30 s on each step. TLS trusts everybody. Over a WebSocket, which is
// opened with the rest, what is sent at once is one message.
class TestDevice {
 public:
  using Mode = ListenerKind;

  // With `certificate` and `key`, PEM files, as a client with a certificate. `preface` is sent before anything else.
  TestDevice(int port, Mode mode, const std::string& certificate = "", const std::string& key = "",
             const std::string& preface = "");
  ~TestDevice();
  TestDevice(TestDevice&&) noexcept;

  // From now on packets are of this level.
  void SetLevel(uint8_t level) { level_ = level; }

  // False when TCP or TLS did not come about.
  bool is_connected() const { return is_connected_; }
  std::string tls_version() const;

  // False when the edge has closed.
  bool SendBytes(std::string_view bytes);
  // Likewise, without a frame around them.
  bool SendRaw(std::string_view bytes);
  template <typename Packet>
  bool Send(const Packet& packet) {
    std::string bytes;
    mqtt::Encode(packet, &bytes, level_);
    return SendBytes(bytes);
  }
  bool SendConnect(const std::string& device_id, bool clean_session = false);

  // The next packet, encoded again; "" when the edge closed or stays silent.
  std::string ReadPacket();
  // The next packet, a PUBLISH; an empty topic if it is none.
  struct Message {
    std::string topic, payload;
  };
  Message ReadMessage();
  // What comes up to and with `end`, without looking into frames; "" when the edge closed or stays silent.
  std::string ReadRawUntil(std::string_view end);
  // The next frame of a WebSocket.
  std::optional<websocket::ServerFrame> ReadFrame();
  // True if the edge closes; what it sends before is thrown away.
  bool WaitForClose();

 private:
  struct Tls;
  // Appends what comes to raw_; false at the end.
  bool ReceiveRaw();
  // Appends what comes to received_, without frames.
  bool Receive();
  void StartTls(const std::string& certificate, const std::string& key);
  bool OpenWebSocket();
  mqtt::PacketReader::Result Next(mqtt::PacketReader& reader, std::string_view* input, mqtt::Packet* packet) const;

  int fd_ = -1;
  std::unique_ptr<Tls> tls_;
  bool is_connected_ = false;
  bool is_closed_ = false;      // By the edge.
  bool is_web_socket_ = false;  // Open.
  uint8_t level_ = mqtt::kLevel311;
  std::string raw_;       // As it came, not looked at yet.
  std::string received_;  // MQTT.
};

}  // namespace fleetcast::mqtt_edge
