#include "tools/call_bench/peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace fleetcast::call_bench {
namespace {

constexpr size_t kReadBytes = 64 * 1024;

[[noreturn]] void Give(const char* what) {
  std::fprintf(stderr, "fleetcast-bench-broker: %s (%s)\n", what, std::strerror(errno));
  std::exit(1);
}

int ConnectTo(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
    Give("cannot connect to the broker");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

}  // namespace

Peer::Peer(uint16_t port, const std::string& client_id, const std::string& filter, OnMessage on_message)
    : fd_(ConnectTo(port)), filter_(filter), on_message_(std::move(on_message)) {
  mqtt::Connect connect;
  connect.clean_session = true;
  connect.keep_alive_seconds = 600;
  connect.client_id = client_id;
  mqtt::Encode(connect, &out_);
  Flush();
}

Peer::~Peer() {
  if (fd_ >= 0) close(fd_);
}

Peer::Peer(Peer&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      subscribed_(other.subscribed_),
      filter_(std::move(other.filter_)),
      on_message_(std::move(other.on_message_)),
      reader_(std::move(other.reader_)),
      out_(std::move(other.out_)),
      out_sent_(other.out_sent_) {}

void Peer::OnReadable() {
  static thread_local char buffer[kReadBytes];
  while (true) {
    const ssize_t got = recv(fd_, buffer, sizeof(buffer), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) Give("the broker closed a connection");
    std::string_view input(buffer, static_cast<size_t>(got));
    mqtt::Packet packet;
    while (true) {
      const auto result = reader_.Next(mqtt::kClientLimits, &input, &packet);
      if (result == mqtt::PacketReader::Result::kNeedMore) break;
      if (result == mqtt::PacketReader::Result::kViolation) Give("the broker sent what is not MQTT");
      OnPacket(packet);
    }
    if (static_cast<size_t>(got) < sizeof(buffer)) return;
  }
}

void Peer::OnPacket(const mqtt::Packet& packet) {
  if (const auto* connack = std::get_if<mqtt::Connack>(&packet)) {
    if (connack->code != mqtt::ConnectCode::kAccepted) Give("the broker refused a connection");
    mqtt::Subscribe subscribe;
    subscribe.packet_id = 1;
    subscribe.subscriptions.push_back({filter_, 0});
    mqtt::Encode(subscribe, &out_);
  } else if (std::holds_alternative<mqtt::Suback>(packet)) {
    subscribed_ = true;
  } else if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
    on_message_(*this, publish->topic, publish->payload);
  }
}

bool Peer::Flush() {
  while (out_sent_ < out_.size()) {
    const ssize_t sent = send(fd_, out_.data() + out_sent_, out_.size() - out_sent_, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (sent < 0) Give("cannot write to the broker");
    out_sent_ += static_cast<size_t>(sent);
  }
  out_.clear();
  out_sent_ = 0;
  return false;
}

void Peer::Publish(std::string_view topic, std::string_view payload) {
  mqtt::Publish publish;
  publish.topic = topic;
  publish.payload = payload;
  mqtt::Encode(publish, &out_);
}

}  // namespace fleetcast::call_bench
