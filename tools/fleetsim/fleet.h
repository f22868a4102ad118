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
#include "tools/fleetsim/packet_log.h"
#include "tools/fleetsim/registration.h"
#include "tools/fleetsim/report.h"

namespace fleetcast::fleetsim {

// Connects the devices at the chosen rate, keeps them connected (full-jitter back-off, token renewal, keep-alive), and
// lets each behave as it should. One thread; SIGTERM and SIGINT must be blocked: they are read here.
class Fleet {
 public:
  // Where the fleet connects and what it writes; all outlive it.
  struct Surroundings {
    std::vector<std::unique_ptr<Target>> targets;  // At least one; each connection takes any.
    CallLog calls;
    PacketLog packets;
  };

  Fleet(const Options& options, std::vector<Identity> identities, Surroundings& surroundings, Clock& clock,
        Random& random);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  // Runs until the duration is over or a signal comes; prints an event a second, one when all devices are connected in
  // each round, and a summary. UNAVAILABLE when the loop cannot be set up.
  absl::Status Run();

 private:
  static constexpr double kPingAt = 0.9;  // Of the keep-alive.

  enum class State : uint8_t { kIdle, kOpening, kGreeting, kConnected };  // Greeting: CONNECT sent, no CONNACK yet.

  // One end that a device connects with. Devices that connect anew without a reason have two: the second lets the
  // first one's connection stay open.
  struct Slot {
    Slot(const Profile& profile, int64_t index, Identity identity)
        : device(profile, index, std::move(identity.id), std::move(identity.key)) {}
    Device device;
    bool is_active = true;           // A lost connection is made anew.
    uint32_t connection_number = 0;  // Of the device, from 1.
    std::unique_ptr<Connection> connection;
    TlsSession tls_session;  // Of the connection before, to be resumed.
    std::string out;
    State state = State::kIdle;
    int attempts = 0;         // Failed in a row.
    uint32_t generation = 0;  // Of the connection: timers of earlier ones are void.
  };

  enum class TimerKind : uint8_t { kReconnect, kOpenLimit, kPing, kRenew, kRestless };
  struct Timer {
    absl::Duration at;
    uint32_t slot;
    uint32_t generation;
    TimerKind kind;
    friend bool operator>(const Timer& a, const Timer& b) { return a.at > b.at; }
  };

  struct DelayedAnswer {
    absl::Duration at;
    uint64_t order;  // Answers that are due together leave in the order in which the calls came.
    uint32_t slot;
    uint32_t generation;
    bool is_first;  // Of this device to this call.
    std::string request_id;
    friend bool operator>(const DelayedAnswer& a, const DelayedAnswer& b) {
      return a.at != b.at ? a.at > b.at : a.order > b.order;
    }
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
  void PlanAnswers(uint32_t index, std::string_view request_id);
  void SendDueAnswers();
  // Appends the answer to what the device sends.
  void Answer(const DelayedAnswer& answer);
  // Connects anew without a reason, with or without closing the connection before.
  void Wander(uint32_t index);
  absl::Duration Between(absl::Duration low, absl::Duration high);
  PacketLog::Place Here(uint32_t index) const;
  void Report();
  // All are connected: tells it, and lets all leave when another round follows.
  void EndRound();
  void DisconnectAll();
  void AddTimer(absl::Duration after, uint32_t index, TimerKind kind);
  absl::Duration NextWake() const;

  const Options& options_;
  Surroundings& surroundings_;
  Clock& clock_;
  Random& random_;
  const Profile profile_;
  std::vector<Slot> slots_;
  std::deque<uint32_t> waiting_;  // To be connected, in this order.
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::priority_queue<DelayedAnswer, std::vector<DelayedAnswer>, std::greater<>> answers_;
  uint64_t answers_planned_ = 0;
  uint64_t answers_sent_ = 0;
  size_t device_count_ = 0;
  std::vector<uint32_t> connections_of_;  // By device: how many it has made.
  std::string last_call_;                 // For those who lie: who received the last call, and its id.
  uint32_t last_called_ = 0;
  Figures figures_;
  std::string problem_;  // Why a connection failed lately; told with the next report.
  std::vector<char> buffer_;
  std::string spare_;  // Lent to the device that is being served: an idle one keeps no buffer.
  int epoll_fd_ = -1;
  int signal_fd_ = -1;
  bool stop_ = false;
  int rounds_left_ = 0;
  absl::Duration round_started_;  // May lie ahead: nobody connects before.
  double connect_allowance_ = 0;  // Connections that the rate permits now.
  absl::Duration now_;
  absl::Duration started_;
  absl::Duration allowance_time_;
  absl::Duration next_report_;
};

}  // namespace fleetcast::fleetsim
