#include "services/mqtt_edge/transport/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr int kBacklog = 4096;  // Connections that wait in the kernel while the edge is busy or limits accepting.
constexpr size_t kDrainBytesMax = 64 * 1024;
constexpr unsigned char kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

absl::Status SystemError(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(errno)));
}

PeerAddress ToPeerAddress(const sockaddr_storage& address) {
  PeerAddress peer{};
  if (address.ss_family == AF_INET6) {
    std::memcpy(peer.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, peer.size());
  } else {
    std::memcpy(peer.data(), kMappedPrefix, sizeof(kMappedPrefix));
    std::memcpy(peer.data() + sizeof(kMappedPrefix), &reinterpret_cast<const sockaddr_in&>(address).sin_addr, 4);
  }
  return peer;
}

void SetOption(int fd, int level, int option) {
  const int on = 1;
  setsockopt(fd, level, option, &on, sizeof(on));
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) Fd(std::exchange(fd_, other.Release()));  // The temporary closes the old one.
  return *this;
}

int Fd::Release() { return std::exchange(fd_, -1); }

Socket::Socket(Fd fd, const TlsContext* tls) : fd_(std::move(fd)) {
  if (tls == nullptr) return;
  ssl_ = SSL_new(tls->get());
  SSL_set_fd(ssl_, fd_.get());
  SSL_set_accept_state(ssl_);
  is_handshaking_ = true;
}

Socket::~Socket() {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    if (!is_broken_ && !is_handshaking_) SSL_shutdown(ssl_);
    ERR_clear_error();
    SSL_free(ssl_);
  }
  // Closing with unread bytes would reset the connection, and the peer might lose what it was sent last.
  shutdown(fd_.get(), SHUT_WR);
  char discarded[4096];
  for (size_t bytes = 0; bytes < kDrainBytesMax;) {
    const ssize_t count = recv(fd_.get(), discarded, sizeof(discarded), MSG_DONTWAIT);
    if (count <= 0) break;
    bytes += static_cast<size_t>(count);
  }
}

Socket::Progress Socket::ToProgress(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ: return Progress::kWantRead;
    case SSL_ERROR_WANT_WRITE: return Progress::kWantWrite;
    default: is_broken_ = true; return Progress::kClosed;
  }
}

Socket::Progress Socket::Handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) return ToProgress(result);
  is_handshaking_ = false;
  return Progress::kDone;
}

bool Socket::was_resumed() const { return SSL_session_reused(ssl_) == 1; }

ClientCertificate Socket::client_certificate(ClientAuthorities* authorities, absl::Duration now) const {
  return ReadClientCertificate(ssl_, authorities, now);
}

Socket::Progress Socket::Read(char* buffer, size_t size, size_t* count) {
  *count = 0;
  if (ssl_ != nullptr) {
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_, buffer, size, count);
    return result == 1 ? Progress::kDone : ToProgress(result);
  }
  return ReadRaw(buffer, size, count);
}

Socket::Progress Socket::ReadRaw(char* buffer, size_t size, size_t* count) {
  *count = 0;
  const ssize_t result = recv(fd_.get(), buffer, size, 0);
  if (result > 0) {
    *count = static_cast<size_t>(result);
    return Progress::kDone;
  }
  return result < 0 && (errno == EAGAIN || errno == EINTR) ? Progress::kWantRead : Progress::kClosed;
}

bool Socket::HasPending() const { return ssl_ != nullptr && SSL_has_pending(ssl_) == 1; }

Socket::Progress Socket::Write(std::string_view bytes, size_t* count) {
  *count = 0;
  if (ssl_ != nullptr) {
    ERR_clear_error();
    const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), count);
    return result == 1 ? Progress::kDone : ToProgress(result);
  }
  const ssize_t result = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (result >= 0) {
    *count = static_cast<size_t>(result);
    return Progress::kDone;
  }
  return errno == EAGAIN || errno == EINTR ? Progress::kWantWrite : Progress::kClosed;
}

absl::StatusOr<Fd> Listen(const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found);
  if (error != 0) return absl::UnavailableError(absl::StrCat("cannot resolve ", address, ": ", gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  Fd fd(socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return SystemError("cannot create a socket");
  SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR);
  SetOption(fd.get(), SOL_SOCKET, SO_REUSEPORT);
  if (bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0) return SystemError(absl::StrCat("cannot bind ", address));
  if (listen(fd.get(), kBacklog) != 0) return SystemError(absl::StrCat("cannot listen on ", address));
  return fd;
}

int BoundPort(const Fd& listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

absl::StatusOr<Fd> Accept(const Fd& listener, PeerAddress* peer) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  Fd fd(accept4(listener.get(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.get() < 0) {
    const bool is_exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (is_exhausted) return absl::ResourceExhaustedError(std::strerror(errno));
    return absl::NotFoundError("");
  }
  SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  *peer = ToPeerAddress(address);
  return fd;
}

void CloseWithReset(Fd fd) {
  const linger at_once{1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

std::string FormatPeer(const PeerAddress& peer) {
  char text[INET6_ADDRSTRLEN] = "";
  const bool is_ipv4 = std::memcmp(peer.data(), kMappedPrefix, sizeof(kMappedPrefix)) == 0;
  inet_ntop(is_ipv4 ? AF_INET : AF_INET6, is_ipv4 ? peer.data() + sizeof(kMappedPrefix) : peer.data(), text,
            sizeof(text));
  return text;
}

}  // namespace fleetcast::mqtt_edge
