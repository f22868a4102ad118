// Keeps one client stream alive: the part of BidiClientStream that does not depend on message types.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/rpc/outbox.h"
#include "libs/telemetry/log.h"

namespace fleetcast::rpc {

struct ClientStreamOptions {
  std::string peer = {};  // The address, for logs.
  OutboxLimits outbox = {};
  absl::Duration connect_timeout = absl::Seconds(5);       // Until the server has accepted the stream.
  absl::Duration backoff_first = absl::Milliseconds(100);  // Full jitter: uniform in [0, first * 2^failures), …
  absl::Duration backoff_max = absl::Seconds(5);           // … never more than this.
  absl::Duration stable_after = absl::Seconds(5);          // A connection that lived this long resets the back-off.
};

// One try at a stream, from opening to its end. The loop starts it once; its end is reported once, to OnDone.
class ClientAttempt {
 public:
  virtual ~ClientAttempt() = default;
  virtual void Start() = 0;
  // Writes what is queued, then closes our side.
  virtual void CloseWrites() = 0;
  // Ends the stream now. Allowed at any time.
  virtual void Cancel() = 0;
};

// The loop's thread makes an attempt, waits for its end, backs off, and so on. Attempts report through OnConnected and
// OnDone, from any thread.
class ClientStreamLoop {
 public:
  using MakeAttempt = std::function<std::shared_ptr<ClientAttempt>()>;

  ClientStreamLoop(ClientStreamOptions options, MakeAttempt make_attempt);
  ~ClientStreamLoop();

  void Start();
  // Ends the current attempt in an orderly way within `limit`, else by force, and joins. Not from a callback.
  void Stop(absl::Duration limit);
  // Cancels the current attempt; the loop goes on.
  void CancelAttempt();

  void OnConnected();
  void OnDone(const absl::Status& status);

 private:
  void Run(std::stop_token stop);
  // Runs one attempt to its end. How long it stood; zero if it never did.
  absl::Duration RunAttempt(std::stop_token stop);
  void WaitUntilDone(std::stop_token stop, ClientAttempt& attempt);

  const ClientStreamOptions options_;
  const MakeAttempt make_attempt_;
  telemetry::LogRateLimit failure_log_;
  Mutex mutex_;
  CondVar changed_;
  std::shared_ptr<ClientAttempt> attempt_ GUARDED_BY(mutex_);
  std::optional<absl::Duration> connected_at_ GUARDED_BY(mutex_);  // Monotonic.
  std::optional<absl::Status> done_ GUARDED_BY(mutex_);
  absl::Duration stop_limit_ GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace fleetcast::rpc
