#include "tools/fleetsim/connection.h"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace fleetcast::fleetsim {
namespace {

Connection::Result FromTlsError(ssl_st* tls, int result) {
  switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_WANT_READ: return Connection::Result::kWaitRead;
    case SSL_ERROR_WANT_WRITE: return Connection::Result::kWaitWrite;
    default: return Connection::Result::kFailed;
  }
}

bool IsAddress(const std::string& host) {
  in_addr address = {};
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

std::string TlsProblem(ssl_st* tls) {
  if (const long verified = SSL_get_verify_result(tls); verified != X509_V_OK) {
    return absl::StrCat("the server's certificate: ", X509_verify_cert_error_string(verified));
  }
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  return absl::StrCat("TLS: ", reason == nullptr ? "the server closed the connection" : reason);
}

// 127.1.0.1, 127.1.0.2, …: loopback has 16 million addresses.
void BindSource(int fd, int source) {
  const int on = 1;
  setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(0x7f010000U + static_cast<uint32_t>(source));
  // When it fails, the connection still works as long as ports last.
  [[maybe_unused]] const int result = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

}  // namespace

void FreeTlsSession::operator()(ssl_session_st* session) const { SSL_SESSION_free(session); }

absl::StatusOr<std::unique_ptr<Target>> Target::Create(const std::string& host, int port, bool tls,
                                                       const std::string& ca_file) {
  std::unique_ptr<Target> target(new Target);
  target->host_ = host;
  addrinfo hints = {};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
    return absl::InvalidArgumentError(absl::StrCat("--host ", host, ": ", gai_strerror(error)));
  }
  std::memcpy(&target->address_, found->ai_addr, sizeof(target->address_));
  target->address_.sin_port = htons(static_cast<uint16_t>(port));
  freeaddrinfo(found);
  if (!tls) return target;

  target->context_ = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(target->context_, TLS1_2_VERSION);
  SSL_CTX_set_verify(target->context_, SSL_VERIFY_PEER, nullptr);
  // Idle connections give their buffers back: 10,000 devices fit in some 250 MB.
  SSL_CTX_set_mode(target->context_,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Sessions are handed to their connections; OpenSSL keeps none itself.
  SSL_CTX_set_session_cache_mode(target->context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(target->context_, &Connection::KeepTlsSession);
  const int loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(target->context_)
                                     : SSL_CTX_load_verify_file(target->context_, ca_file.c_str());
  if (loaded != 1) return absl::InvalidArgumentError(absl::StrCat("--ca-file ", ca_file, ": no certificates in it"));
  return target;
}

Target::~Target() { SSL_CTX_free(context_); }

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const Target& target, int source, ssl_session_st* resume) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ResourceExhaustedError(absl::StrCat("socket: ", std::strerror(errno)));
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (source > 0 && (ntohl(target.address_.sin_addr.s_addr) >> 24) == 127) BindSource(fd, source);
  ssl_st* tls = nullptr;
  if (target.context_ != nullptr) {
    tls = SSL_new(target.context_);
    SSL_set_fd(tls, fd);
    SSL_set_connect_state(tls);
    if (resume != nullptr) SSL_set_session(tls, resume);
    if (IsAddress(target.host_)) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), target.host_.c_str());
    } else {
      SSL_set_tlsext_host_name(tls, target.host_.c_str());
      SSL_set1_host(tls, target.host_.c_str());
    }
  }
  std::unique_ptr<Connection> connection(new Connection(fd, tls));
  if (tls != nullptr) SSL_set_app_data(tls, connection.get());
  if (connect(fd, reinterpret_cast<const sockaddr*>(&target.address_), sizeof(target.address_)) != 0 &&
      errno != EINPROGRESS) {
    return absl::UnavailableError(absl::StrCat("connect: ", std::strerror(errno)));
  }
  return connection;
}

// OpenSSL says so when a ticket has come: with TLS 1.3 while data is read. 1: the session is ours now.
int Connection::KeepTlsSession(ssl_st* tls, ssl_session_st* session) {
  static_cast<Connection*>(SSL_get_app_data(tls))->tls_session_.reset(session);
  return 1;
}

bool Connection::was_resumed() const { return tls_ != nullptr && SSL_session_reused(tls_) == 1; }

Connection::~Connection() {
  // Else OpenSSL would take the connection for a broken one, and its session could not be resumed.
  if (tls_ != nullptr) SSL_set_shutdown(tls_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(tls_);
  close(fd_);
}

Connection::Result Connection::Continue() {
  if (!tcp_open_) {
    int error = 0;
    socklen_t size = sizeof(error);
    sockaddr_in peer = {};
    socklen_t peer_size = sizeof(peer);
    if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
      problem_ = std::strerror(error);
      return Result::kFailed;
    }
    if (getpeername(fd_, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0) return Result::kWaitWrite;
    tcp_open_ = true;
  }
  if (tls_ == nullptr) return Result::kDone;
  ERR_clear_error();
  const int code = SSL_do_handshake(tls_);
  const Result result = code == 1 ? Result::kDone : FromTlsError(tls_, code);
  if (result == Result::kFailed) problem_ = TlsProblem(tls_);
  return result;
}

ssize_t Connection::Read(std::span<char> buffer) {
  if (tls_ == nullptr) {
    const ssize_t count = recv(fd_, buffer.data(), buffer.size(), 0);
    if (count > 0) return count;
    return count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
  }
  ERR_clear_error();
  size_t count = 0;
  const int result = SSL_read_ex(tls_, buffer.data(), buffer.size(), &count);
  if (result == 1) return static_cast<ssize_t>(count);
  return FromTlsError(tls_, result) == Result::kFailed ? -1 : 0;
}

Connection::Result Connection::Write(std::string& out) {
  size_t written = 0;
  Result result = Result::kDone;
  while (written < out.size() && result == Result::kDone) {
    size_t count = 0;
    if (tls_ == nullptr) {
      const ssize_t sent = send(fd_, out.data() + written, out.size() - written, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) result = errno == EAGAIN ? Result::kWaitWrite : Result::kFailed;
      count = sent < 0 ? 0 : static_cast<size_t>(sent);
    } else {
      ERR_clear_error();
      const int sent = SSL_write_ex(tls_, out.data() + written, out.size() - written, &count);
      if (sent != 1) result = FromTlsError(tls_, sent);
    }
    written += count;
  }
  out.erase(0, written);
  return result;
}

}  // namespace fleetcast::fleetsim
