// All devices of the fleet in one epoll loop.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "tools/fleetsim/connection.h"
#include "tools/fleetsim/device.h"
#include "tools/fleetsim/options.h"
#include "tools/fleetsim/registration.h"
#include "tools/fleetsim/report.h"

namespace fleetcast::fleetsim {

// Connects the devices at the chosen rate, keeps them connected (full-jitter back-off, token renewal, keep-alive), and
// lets each behave as it should. One thread; SIGTERM and SIGINT must be blocked: they are read here.
class Fleet {
 public:
  Fleet(const Options& options, std::vector<Identity> identities, const Target& target, CallLog& call_log, Clock& clock,
        Random& random);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // Runs until the duration is over or a signal comes; prints an event a second, one when all devices are connected for
  // the first time, and a summary. UNAVAILABLE when the loop cannot be set up.
  absl::Status Run();

 private:
  enum class State : uint8_t { kIdle, kOpening, kGreeting, kConnected };  // Greeting: CONNECT sent, no CONNACK yet.

  struct Slot {
    Slot(const Profile& profile, int64_t index, Identity identity)
        : device(profile, index, std::move(identity.id), std::move(identity.key)) {}
    Device device;
    std::unique_ptr<Connection> connection;
    std::string out;
    State state = State::kIdle;
    int attempts = 0;         // Failed in a row.
    uint32_t generation = 0;  // Of the connection: timers of earlier ones are void.
  };

  enum class TimerKind : uint8_t { kReconnect, kOpenLimit, kPing, kRenew };
  struct Timer {
    absl::Duration at;
    uint32_t slot;
    uint32_t generation;
    TimerKind kind;
    friend bool operator>(const Timer& a, const Timer& b) { return a.at > b.at; }
  };

  // The delay is the same for all calls, so that answers are due in the order in which the calls came.
  struct DelayedAnswer {
    absl::Duration at;
    uint32_t slot;
    uint32_t generation;
    std::string request_id;
  };

  class Listener;

  absl::Status SetUp();
  void StartConnections();
  void Open(uint32_t index);
  void OnEvent(uint32_t index);
  void Opened(uint32_t index);
  void ReadFrom(uint32_t index);
  void Flush(uint32_t index);
  // Takes the buffer of a device that has nothing to send.
  void KeepNoBuffer(Slot& slot);
  void Wait(uint32_t index, uint32_t events);
  void Close(uint32_t index, bool lost);
  void Renew(uint32_t index);
  void RunTimers();
  void RunTimer(const Timer& timer);
  void SendDueAnswers();
  // Appends the answer to what the device sends.
  void Answer(Slot& slot, std::string_view request_id);
  void Report();
  void DisconnectAll();
  void AddTimer(absl::Duration after, uint32_t index, TimerKind kind);
  absl::Duration NextWake() const;

  const Options& options_;
  const Target& target_;
  CallLog& call_log_;
  Clock& clock_;
  Random& random_;
  const Profile profile_;
  std::vector<Slot> slots_;
  std::deque<uint32_t> waiting_;  // To be connected, in this order.
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::deque<DelayedAnswer> answers_;
  Figures figures_;
  std::string problem_;  // Why a connection failed lately; told with the next report.
  std::vector<char> buffer_;
  std::string spare_;  // Lent to the device that is being served: an idle one keeps no buffer.
  int epoll_fd_ = -1;
  int signal_fd_ = -1;
  bool stop_ = false;
  bool all_connected_once_ = false;
  double connect_allowance_ = 0;  // Connections that the rate permits now.
  absl::Duration now_;
  absl::Duration started_;
  absl::Duration allowance_time_;
  absl::Duration next_report_;
};

}  // namespace fleetcast::fleetsim
