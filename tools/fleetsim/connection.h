// One socket of a simulated device, with or without TLS, never blocking.
#pragma once

#include <memory>
#include <span>
#include <string>

#include <netinet/in.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace fleetcast::fleetsim {

struct FreeTlsSession {
  void operator()(ssl_session_st* session) const;
};
// What a server lets a device resume instead of a full handshake; empty when it has given none.
using TlsSession = std::unique_ptr<ssl_session_st, FreeTlsSession>;

// Where all devices connect. Made once; outlives the connections.
class Target {
 public:
  // Resolves the host and reads the CA certificates (empty: the system's). `tls` false: plain TCP.
  static absl::StatusOr<std::unique_ptr<Target>> Create(const std::string& host, int port, bool tls,
                                                        const std::string& ca_file);
  ~Target();
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

 private:
  friend class Connection;
  Target() = default;

  std::string host_;
  sockaddr_in address_ = {};
  ssl_ctx_st* context_ = nullptr;  // Null: plain.
};

// Not thread-safe.
class Connection {
 public:
  // Starts to connect. `source` picks the address of the machine's end when the target is on loopback: one address has
  // ports for some 28,000 connections to one target.
  // `resume`: of an earlier connection to the target, or null for a full handshake.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const Target& target, int source, ssl_session_st* resume);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  enum class Result { kDone, kWaitRead, kWaitWrite, kFailed };

  // Goes on opening (TCP, then TLS) until kDone or kFailed; what to wait for otherwise.
  Result Continue();

  // Why Continue failed, for people.
  const std::string& problem() const { return problem_; }

  // Reads what is there into `buffer`: the number of bytes, 0 when there is nothing now, -1 when the peer is gone.
  ssize_t Read(std::span<char> buffer);

  // Writes from the front of `out` and removes what was written. kDone when all is gone; the capacity stays.
  Result Write(std::string& out);

  // The newest TLS session that the server gave, if any; it is the caller's from now on.
  TlsSession TakeTlsSession() { return std::move(tls_session_); }
  // After the handshake: whether it was an abbreviated one.
  bool was_resumed() const;

  int fd() const { return fd_; }
  // True: bytes may wait in the TLS layer, where epoll does not see them, until Read says 0.
  bool is_tls() const { return tls_ != nullptr; }
  // What epoll was told to wait for; kept here by the owner.
  uint32_t waited_for = 0;

 private:
  Connection(int fd, ssl_st* tls) : fd_(fd), tls_(tls) {}
  static int KeepTlsSession(ssl_st* tls, ssl_session_st* session);
  friend class Target;

  const int fd_;
  ssl_st* const tls_;
  bool tcp_open_ = false;
  std::string problem_;
  TlsSession tls_session_;
};

}  // namespace fleetcast::fleetsim
