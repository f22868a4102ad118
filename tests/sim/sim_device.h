// A device: a played MQTT client with habits, good and bad.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libs/mqtt/codec.h"
#include "tests/sim/stream.h"

namespace fleetcast::sim {

class World;

// How a device behaves.
struct Habits {
  absl::Duration answer_after = absl::Milliseconds(20);
  bool is_silent = false;           // Never answers.
  bool answers_twice = false;       // The second one with another payload.
  bool answers_elsewhere = false;   // When the connection is gone, on the next one.
  bool answers_for_others = false;  // Also with a request id of another device.
  bool is_clean = false;            // CleanSession=1.
};

class SimDevice final : public Process {
 public:
  SimDevice(World& world, int index);

  Habits& habits() { return habits_; }
  bool is_listening() const { return is_listening_; }
  bool wants_online() const { return wants_online_; }

  // Wants to be connected from now on, through whatever edge; or no longer.
  void GoOnline();
  // `politely`: with DISCONNECT; else it just is not there any more and its edge has to find out.
  void GoOffline(bool politely);
  // Connects through another edge without closing the old connection, which goes on for a while.
  void Roam();

  void OnBytes(const Stream* stream, const std::string& bytes);

 private:
  struct Link {
    uint64_t connection = 0;
    std::shared_ptr<Stream> stream;
    mqtt::PacketReader reader;
  };

  void OnStart() override {}
  void OnKill() override {}
  void DialSoon(absl::Duration at_least);
  void Dial();
  void HandlePacket(Link& link, const mqtt::Packet& packet);
  void HandleRequest(const Link& link, const mqtt::Publish& publish);
  void Answer(int64_t job, uint64_t connection, uint64_t call_id, const std::string& request_id);
  void SendAnswer(const Link& link, int64_t job, uint64_t call_id, const std::string& request_id);
  void Send(const Link& link, std::string bytes);
  void Ping(uint64_t connection);
  Link* Find(uint64_t connection);

  World& world_;
  Habits habits_;
  bool wants_online_ = false;
  bool is_listening_ = false;    // The current connection is accepted and subscribed.
  bool has_subscribed_ = false;  // In the stored session.
  bool is_dialling_ = false;
  std::vector<std::unique_ptr<Link>> links_;  // The last one is the current.
};

}  // namespace fleetcast::sim
