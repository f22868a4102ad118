// One connection between two processes, with everything that a network does to it.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "tests/sim/process.h"

namespace fleetcast::sim {

enum class Side { kClient = 0, kServer = 1 };

constexpr Side Other(Side side) { return side == Side::kClient ? Side::kServer : Side::kClient; }

// Messages are calls that run at the other end, each direction in order, never twice. When the connection breaks, what
// was under way arrives up to some point and the rest is lost; each end learns of it in its own time and may go on
// sending into the void until then. Not thread-safe.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(Universe& universe, Process& client, Process& server);

  // What happens at this end, once, when it learns that the connection is gone; not after its own Close.
  void OnDown(Side side, std::function<void()> event) { end(side).on_down = std::move(event); }
  bool is_open(Side side) { return end(side).open; }
  int server_index() const { return ends_[1].process->index(); }

  // False when this end knows that the connection is gone.
  bool Send(Side from, std::function<void()> message);

  // The network drops the connection.
  void Break();
  // This end closes, or its process is killed (then what it sent may be lost). The other one learns of it after what
  // arrives; after `silence` more when nobody told it (the machine is gone).
  void Close(Side by, bool is_killed = false, absl::Duration silence = absl::ZeroDuration());
  // Nothing that `from` sends arrives for `duration`; then all of it at once.
  void Stall(Side from, absl::Duration duration);

 private:
  struct End {
    Process* process;
    uint64_t life;
    bool open = true;
    std::function<void()> on_down;
  };
  struct Message {
    absl::Duration arrival;
    std::function<void()> run;
  };
  struct Direction {
    std::deque<Message> messages;
    absl::Duration last_arrival;
    absl::Duration stalled_until;
    bool is_cut = false;
  };

  End& end(Side side) { return ends_[static_cast<size_t>(side)]; }
  Direction& direction(Side from) { return directions_[static_cast<size_t>(from)]; }
  absl::Duration Delay();
  void Append(Side from, std::function<void()> run);
  void SchedulePump(Side from);
  void Pump(Side from);
  void LoseSome(Side from);
  void Notice(Side side);

  Universe& universe_;
  End ends_[2];
  Direction directions_[2];
};

// Keeps a connection from a client process to a server process, as long as the client lives: connects again after each
// loss. Owned by the client; the callbacks run in the processes they are about.
class Dialer {
 public:
  using Accept = std::function<void(const std::shared_ptr<Stream>& stream)>;

  Dialer(Universe& universe, Process& client, Process& server, Accept accept, Accept connected,
         std::function<void()> lost)
      : universe_(universe),
        client_(client),
        server_(server),
        accept_(std::move(accept)),
        connected_(std::move(connected)),
        lost_(std::move(lost)) {}

  void Dial();
  // The client is gone.
  void Drop(bool is_killed);
  // No new connection comes about until `when`.
  void Block(absl::Duration when) { blocked_until_ = when; }

  // The connection, or null.
  const std::shared_ptr<Stream>& stream() const { return stream_; }
  bool Send(std::function<void()> message) {
    return stream_ != nullptr && stream_->Send(Side::kClient, std::move(message));
  }

 private:
  void Connect();

  Universe& universe_;
  Process& client_;
  Process& server_;
  const Accept accept_;
  const Accept connected_;
  const std::function<void()> lost_;
  std::shared_ptr<Stream> stream_;
  absl::Duration blocked_until_;
};

}  // namespace fleetcast::sim
