// One device socket, plain or TLS, never blocking; and the listening ones.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/mqtt_edge/transport/client_certificate.h"
#include "services/mqtt_edge/transport/connect_limits.h"
#include "services/mqtt_edge/transport/tls.h"

namespace fleetcast::mqtt_edge {

// A file descriptor with an owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd();
  Fd(Fd&& other) noexcept : fd_(other.Release()) {}
  Fd& operator=(Fd&& other) noexcept;

  int get() const { return fd_; }
  int Release();

 private:
  int fd_ = -1;
};

class Socket {
 public:
  enum class Progress : uint8_t {
    kDone,       // Some bytes, or the handshake is complete.
    kWantRead,   // Again when the socket is readable.
    kWantWrite,  // Again when it is writable.
    kClosed,     // The peer has gone, or the stream is broken.
  };

  // Without `tls` plain TCP.
  Socket(Fd fd, const TlsContext* tls);
  // Says goodbye as far as that works without waiting, and closes.
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_.get(); }
  bool is_handshaking() const { return is_handshaking_; }
  bool is_tls() const { return ssl_ != nullptr; }

  // Goes on with the handshake.
  Progress Handshake();
  // After the handshake: whether it resumed an earlier session.
  bool was_resumed() const;
  // What the peer has shown in it; see ReadClientCertificate.
  ClientCertificate client_certificate(ClientAuthorities* authorities, absl::Duration now) const;

  // Reads what is in front of TLS: before Handshake only.
  Progress ReadRaw(char* buffer, size_t size, size_t* count);
  // Reads up to `size` bytes; `count` says how many.
  Progress Read(char* buffer, size_t size, size_t* count);
  // True if bytes were taken from the kernel that Read has not given out yet: epoll will not tell.
  bool HasPending() const;
  // Writes from the front of `bytes`; `count` says how many. After kWantRead or kWantWrite the next call must start
  // with the same bytes.
  Progress Write(std::string_view bytes, size_t* count);

 private:
  Progress ToProgress(int result);

  Fd fd_;
  ssl_st* ssl_ = nullptr;
  bool is_handshaking_ = false;
  bool is_broken_ = false;  // TLS must not be spoken any more.
};

// A listening socket that shares its port with others of this process (SO_REUSEPORT). `address` is host:port; with
// port 0 the kernel chooses. UNAVAILABLE when it cannot be bound.
absl::StatusOr<Fd> Listen(const std::string& address);

// The port that a listening socket is bound to.
int BoundPort(const Fd& listener);

// One connection from the queue of `listener`: its socket, which never blocks and sends small packets at once.
// NOT_FOUND when none waits, RESOURCE_EXHAUSTED when the process is out of descriptors or memory.
absl::StatusOr<Fd> Accept(const Fd& listener, PeerAddress* peer);

// Closes with a reset: the peer learns at once, and no state stays here.
void CloseWithReset(Fd fd);

// The usual text form.
std::string FormatPeer(const PeerAddress& peer);

}  // namespace fleetcast::mqtt_edge
