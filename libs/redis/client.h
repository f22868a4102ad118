// Redis behind one small interface: pipelines in, replies or one status out. Hides hiredis.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/redis/circuit_breaker.h"
#include "libs/redis/pipeline.h"
#include "libs/redis/reply.h"
#include "libs/redis/runner.h"

namespace fleetcast::redis {

class Connection;  // One hiredis context; connection.h, private to this library.

// Runs pipelines over a few connections. Thread-safe; a call blocks its thread for at most its timeout, so call it
// from worker threads only. Connections open when needed and are replaced when they break; a breaker refuses calls at
// once while Redis is down, so that its callers' threads are not spent on waiting for time-outs.
class Client final : public Runner {
 public:
  struct Options {
    std::string address;        // "host:port", "[v6]:port" or "unix:/path/of/socket".
    std::string password = {};  // Empty: no AUTH. Never logged.
    std::string user = {};      // Of an ACL, with its password; empty: the default user.
    int connections = 4;        // Pipelines that run at the same time; others wait for a free connection.
    absl::Duration connect_timeout = absl::Seconds(1);
    CircuitBreaker::Options breaker = {};
  };

  // Checks the shape of the address; does not connect. INVALID_ARGUMENT when it has no port or path.
  static absl::StatusOr<std::unique_ptr<Client>> Create(Options options, Clock& clock);
  ~Client() override;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Runs `pipeline` and returns one reply per command, in order. A connection that turns out to be broken is replaced
  // and the pipeline is sent once more, so each command must be harmless when run twice.
  //
  // Errors: UNAVAILABLE (cannot connect, connection lost, breaker open, Redis loading or read-only),
  // DEADLINE_EXCEEDED (`timeout` over; the commands may have run), INVALID_ARGUMENT (pipeline too long),
  // INTERNAL (Redis answered an error to one of the commands: a bug of ours; other commands may have run).
  absl::StatusOr<std::vector<Reply>> Run(const Pipeline& pipeline, absl::Duration timeout) override;
  using Runner::Run;

 private:
  struct Endpoint {
    std::string host;  // Empty: `path` is a unix socket.
    int port = 0;
    std::string path;
  };

  Client(Options options, Endpoint endpoint, Clock& clock);

  absl::StatusOr<std::unique_ptr<Connection>> Borrow(absl::Duration deadline) EXCLUDES(mutex_);
  void Return(std::unique_ptr<Connection> connection, const absl::Status& outcome) EXCLUDES(mutex_);
  absl::Status Open(Connection& connection, absl::Duration deadline);
  absl::StatusOr<std::vector<Reply>> RunOn(Connection& connection, const Pipeline& pipeline, absl::Duration deadline);
  absl::StatusOr<std::vector<Reply>> RunScripts(Connection& connection, Pipeline pipeline, absl::Duration deadline);
  absl::StatusOr<std::string> DigestOf(Connection& connection, const Script& script, bool reload,
                                       absl::Duration deadline) EXCLUDES(mutex_);

  const Options options_;
  const Endpoint endpoint_;
  Clock& clock_;
  Mutex mutex_;
  CondVar returned_;
  std::vector<std::unique_ptr<Connection>> idle_ GUARDED_BY(mutex_);  // Most recently used last.
  CircuitBreaker breaker_ GUARDED_BY(mutex_);
  absl::flat_hash_map<const Script*, std::string> digests_ GUARDED_BY(mutex_);  // Bounded: scripts are constants.
};

}  // namespace fleetcast::redis
