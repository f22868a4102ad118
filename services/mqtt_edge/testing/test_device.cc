#include "services/mqtt_edge/testing/test_device.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "libs/mqtt/username.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr int kPatienceSeconds = 30;

int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{kPatienceSeconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

struct TestDevice::Tls {
  ~Tls() {
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = nullptr;
};

TestDevice::TestDevice(int port, Mode mode, const std::string& certificate, const std::string& key,
                       const std::string& preface)
    : fd_(Connect(port)), is_connected_(fd_ >= 0) {
  if (!is_connected_) return;
  if (!preface.empty()) SendRaw(preface);
  if (HasTls(mode)) StartTls(certificate, key);
  if (is_connected_ && IsWebSocket(mode)) is_connected_ = OpenWebSocket();
}

void TestDevice::StartTls(const std::string& certificate, const std::string& key) {
  tls_ = std::make_unique<Tls>();
  if (!certificate.empty()) {
    SSL_CTX_use_certificate_chain_file(tls_->context, certificate.c_str());
    SSL_CTX_use_PrivateKey_file(tls_->context, key.c_str(), SSL_FILETYPE_PEM);
  }
  tls_->ssl = SSL_new(tls_->context);
  SSL_set_fd(tls_->ssl, fd_);
  is_connected_ = SSL_connect(tls_->ssl) == 1;
}

TestDevice::~TestDevice() {
  tls_.reset();
  if (fd_ >= 0) close(fd_);
}

TestDevice::TestDevice(TestDevice&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      tls_(std::move(other.tls_)),
      is_connected_(other.is_connected_),
      is_closed_(other.is_closed_),
      is_web_socket_(other.is_web_socket_),
      level_(other.level_),
      raw_(std::move(other.raw_)),
      received_(std::move(other.received_)) {}

std::string TestDevice::tls_version() const { return tls_ == nullptr ? "" : SSL_get_version(tls_->ssl); }

bool TestDevice::OpenWebSocket() {
  if (!SendRaw(websocket::UpgradeRequest())) return false;
  is_web_socket_ = ReadRawUntil("\r\n\r\n").starts_with("HTTP/1.1 101 ");
  return is_web_socket_;
}

bool TestDevice::SendBytes(std::string_view bytes) {
  return SendRaw(is_web_socket_ ? websocket::ClientFrameBytes({.payload = bytes}) : std::string(bytes));
}

bool TestDevice::SendRaw(std::string_view bytes) {
  if (tls_ != nullptr) return SSL_write(tls_->ssl, bytes.data(), static_cast<int>(bytes.size())) > 0;
  return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

bool TestDevice::SendConnect(const std::string& device_id, bool clean_session) {
  const std::string username = mqtt::FormatUsername("hub.test.local", device_id, "2021-04-12", "test");
  mqtt::Connect connect;
  connect.level = level_;
  connect.clean_session = clean_session;
  connect.keep_alive_seconds = 60;
  connect.client_id = device_id;
  connect.username = username;
  connect.password = "SharedAccessSignature sr=x&sig=y&se=1";
  return Send(connect);
}

bool TestDevice::ReceiveRaw() {
  std::array<char, 65536> buffer;
  const ssize_t count =
      tls_ != nullptr ? SSL_read(tls_->ssl, buffer.data(), buffer.size()) : recv(fd_, buffer.data(), buffer.size(), 0);
  if (count <= 0) {
    const bool is_timeout = tls_ != nullptr ? SSL_get_error(tls_->ssl, static_cast<int>(count)) == SSL_ERROR_WANT_READ
                                            : count < 0 && errno == EAGAIN;
    is_closed_ = !is_timeout;
    return false;
  }
  raw_.append(buffer.data(), static_cast<size_t>(count));
  return true;
}

bool TestDevice::Receive() {
  if (raw_.empty() && !ReceiveRaw()) return false;
  if (!is_web_socket_) {
    received_ += std::exchange(raw_, "");
    return true;
  }
  std::optional<websocket::ServerFrame> frame;
  while (!(frame = websocket::TakeServerFrame(&raw_))) {
    if (!ReceiveRaw()) return false;
  }
  if (frame->opcode == websocket::Opcode::kBinary) received_ += frame->payload;
  return true;
}

std::string TestDevice::ReadRawUntil(std::string_view end) {
  size_t at = 0;
  while ((at = raw_.find(end)) == std::string::npos) {
    if (!ReceiveRaw()) return "";
  }
  const std::string bytes = raw_.substr(0, at + end.size());
  raw_.erase(0, bytes.size());
  return bytes;
}

std::optional<websocket::ServerFrame> TestDevice::ReadFrame() {
  for (;;) {
    if (std::optional<websocket::ServerFrame> frame = websocket::TakeServerFrame(&raw_)) return frame;
    if (!ReceiveRaw()) return std::nullopt;
  }
}

mqtt::PacketReader::Result TestDevice::Next(mqtt::PacketReader& reader, std::string_view* input,
                                            mqtt::Packet* packet) const {
  return reader.Next(level_ == mqtt::kLevel5 ? mqtt::kClientLimits5 : mqtt::kClientLimits, input, packet);
}

std::string TestDevice::ReadPacket() {
  for (;;) {
    mqtt::PacketReader reader(level_);
    mqtt::Packet packet;
    std::string_view input = received_;
    const auto result = Next(reader, &input, &packet);
    if (result == mqtt::PacketReader::Result::kPacket) {
      std::string bytes;
      mqtt::Encode(packet, &bytes, level_);
      received_.erase(0, received_.size() - input.size());
      return bytes;
    }
    if (result == mqtt::PacketReader::Result::kViolation || !Receive()) return "";
  }
}

TestDevice::Message TestDevice::ReadMessage() {
  const std::string bytes = ReadPacket();
  std::string_view input = bytes;
  mqtt::PacketReader reader(level_);
  mqtt::Packet packet;
  if (Next(reader, &input, &packet) != mqtt::PacketReader::Result::kPacket) return {};
  const auto* publish = std::get_if<mqtt::Publish>(&packet);
  if (publish == nullptr) return {};
  return {std::string(publish->topic), std::string(publish->payload)};
}

bool TestDevice::WaitForClose() {
  while (Receive()) {
  }
  return is_closed_;
}

}  // namespace fleetcast::mqtt_edge
