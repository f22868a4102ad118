// One MQTT connection of the benchmark: non-blocking, QoS 0, whatever topics the caller wants.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "libs/mqtt/codec.h"

namespace fleetcast::call_bench {

// Connects to 127.0.0.1, sends CONNECT and one SUBSCRIBE, then hands every PUBLISH to the caller. Driven by an epoll
// loop: call OnReadable and OnWritable when the descriptor is ready. Single-threaded.
class Peer {
 public:
  using OnMessage = std::function<void(Peer& peer, std::string_view topic, std::string_view payload)>;

  // Exits the program with a message when the broker refuses: a benchmark has no other use for errors.
  Peer(uint16_t port, const std::string& client_id, const std::string& filter, OnMessage on_message);
  ~Peer();
  Peer(Peer&& other) noexcept;
  Peer& operator=(Peer&&) = delete;
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void OnReadable();
  // Writes what waits; true while something still waits (the caller then watches for writability).
  bool Flush();
  // Queues a PUBLISH at QoS 0; Flush sends it.
  void Publish(std::string_view topic, std::string_view payload);

  int fd() const { return fd_; }
  bool subscribed() const { return subscribed_; }

 private:
  void OnPacket(const mqtt::Packet& packet);

  int fd_ = -1;
  bool subscribed_ = false;
  std::string filter_;
  OnMessage on_message_;
  mqtt::PacketReader reader_;
  std::string out_;
  size_t out_sent_ = 0;
};

}  // namespace fleetcast::call_bench
