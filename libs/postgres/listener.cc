#include "libs/postgres/listener.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/notification>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/postgres/connection.h"
#include "libs/postgres/errors.h"
#include "libs/telemetry/log.h"

namespace fleetcast::postgres {
namespace {

constexpr absl::Duration kReconnectPauseFirst = absl::Milliseconds(50);
constexpr absl::Duration kReconnectPauseMax = absl::Seconds(5);
// A session that says nothing for this long is asked whether it still lives (a peer that vanished sends no FIN).
constexpr int kProbeMillis = 30'000;

class Receiver final : public pqxx::notification_receiver {
 public:
  Receiver(pqxx::connection_base& raw, const std::string& channel,
           const std::function<void(std::string_view)>& on_notify)
      : pqxx::notification_receiver(raw, channel), on_notify_(on_notify) {}
  void operator()(const std::string& payload, int) override { on_notify_(payload); }

 private:
  const std::function<void(std::string_view)>& on_notify_;
};

}  // namespace

Listener::Listener(const PoolOptions& options, std::string channel,
                   std::function<void(std::string_view payload)> on_notify)
    : options_(options),
      channel_(std::move(channel)),
      on_notify_(std::move(on_notify)),
      wake_fd_(eventfd(0, EFD_CLOEXEC)),
      thread_([this](std::stop_token stop) { Run(stop); }) {
  FLEETCAST_CHECK(wake_fd_ >= 0);
}

Listener::~Listener() {
  thread_.request_stop();
  eventfd_write(wake_fd_, 1);
  thread_.join();
  close(wake_fd_);
}

void Listener::Run(std::stop_token stop) {
  int attempt = 0;
  while (!stop.stop_requested()) {
    ListenOnce(stop, attempt);
    SystemClock().Sleep(Backoff(SystemRandom(), attempt++, kReconnectPauseFirst, kReconnectPauseMax), stop);
  }
}

// Connects and listens until the session breaks or `stop`; sets `attempt` to 0 once it listens.
void Listener::ListenOnce(std::stop_token stop, int& attempt) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(options_);
  absl::Status status = connection.status();
  try {
    if (status.ok()) {
      pqxx::connection_base& raw = (*connection)->raw();
      Receiver receiver(raw, channel_, on_notify_);
      attempt = 0;
      on_notify_("");
      while (!stop.stop_requested()) {
        pollfd waits[] = {{raw.sock(), POLLIN, 0}, {wake_fd_, POLLIN, 0}};
        if (poll(waits, 2, kProbeMillis) == 0) pqxx::nontransaction(raw).exec("SELECT 1");
        raw.get_notifs();
      }
    }
  } catch (...) {
    status = CurrentExceptionToStatus();
  }
  if (!status.ok()) {
    FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(30), "database listener disconnected",
                        {{"channel", channel_}, {"error", status}});
  }
}

}  // namespace fleetcast::postgres
