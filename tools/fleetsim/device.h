// One simulated device: the client's end of MQTT as IoT Hub's device SDKs use it (device-mqtt.md 9). Bytes in, bytes
// out; no sockets, no clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "libs/auth/keys.h"
#include "libs/mqtt/codec.h"
#include "tools/fleetsim/behaviour.h"

namespace fleetcast::fleetsim {

// What all devices of a fleet have in common.
struct Profile {
  std::string hub_name;
  bool clean_session = false;
  absl::Duration keep_alive;
  absl::Duration token_lifetime;
  double fail_share = 0;
  double ignore_share = 0;
  std::string method_payload;
  bool apply_desired = false;
  bool report_without_pause = false;  // A patch of `reported` after another, each when the last was answered.
};

// What a device tells while it reads.
class DeviceListener {
 public:
  virtual ~DeviceListener() = default;
  virtual void OnConnected() = 0;                      // The hub accepted it; it has subscribed.
  virtual void OnRefused(mqtt::ConnectCode code) = 0;  // CONNACK with another code.
  virtual void OnSubscribed() = 0;                     // SUBACK.
  // A method call arrived. The listener calls Answer now or later, or never when the device ignores calls.
  virtual void OnCall(std::string_view method, std::string_view request_id, std::string_view payload) = 0;
  virtual void OnDesired(int64_t version, std::string_view patch) = 0;  // A change of desired properties arrived.
  virtual void OnTwin(std::string_view document) = 0;                   // The whole twin arrived.
  virtual void OnReported() = 0;                                        // It sent a reported patch.
  virtual void OnReportAnswered(int status) = 0;                        // The hub answered one: 204 = stored.
};

// Not thread-safe; a few hundred bytes while idle.
class Device {
 public:
  // `index` counts from 0 within the fleet and decides how the device behaves.
  Device(const Profile& profile, int64_t index, std::string id, auth::Key key);

  // Begins a connection: appends CONNECT to `out` and forgets the connection before.
  void Connect(absl::Time now, std::string* out);

  // Takes what came from the hub; appends what the device says to `out`. False: the connection must be closed.
  bool Receive(std::string_view input, DeviceListener& listener, std::string* out);

  // Answers a call of this connection. Returns the status of the answer.
  int Answer(std::string_view request_id, std::string_view payload, std::string* out) const;
  // What it answers when nobody says what.
  std::string_view UsualPayload() const;

  // Keep-alive. False when the answer to the last ping never came: the connection is dead.
  bool Ping(std::string* out);

  static void Disconnect(std::string* out);

  const std::string& id() const { return id_; }
  Treatment treatment() const { return treatment_; }
  bool is_connected() const { return connected_; }

 private:
  bool OnPacket(const mqtt::Packet& packet, DeviceListener& listener, std::string* out);
  void OnAccepted(std::string* out);
  void OnPublish(const mqtt::Publish& publish, DeviceListener& listener, std::string* out);
  void ApplyDesired(std::string_view patch, DeviceListener& listener, std::string* out);
  void ApplyTwin(std::string_view document, DeviceListener& listener, std::string* out);
  void ReportNext(DeviceListener& listener, std::string* out);
  void Report(std::string_view patch, DeviceListener& listener, std::string* out);

  const Profile& profile_;
  const std::string id_;
  const auth::Key key_;
  const Treatment treatment_;
  bool connected_ = false;
  bool ping_open_ = false;
  uint16_t next_packet_id_ = 1;
  uint32_t next_request_ = 1;
  mqtt::PacketReader reader_;
};

}  // namespace fleetcast::fleetsim
