// Which calls may be sent to which device_connection now: credit, and the calls that wait for it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "services/method_dispatch/pending_calls.h"

namespace fleetcast::method_dispatch {

// A device_connection lets this process have so many calls under way there: sent on its stream, and nothing heard of
// them yet. Calls beyond that wait here, oldest first, until there is room or their permit runs out. The core counts
// them as unfinished, which bounds them, and a scheduler's credit is used up by them: so a slow hop slows its source.
// Times are wall time. Pure, not thread-safe.
class DeliveryWindows {
 public:
  // Until a device_connection has told its credit.
  static constexpr int64_t kCreditUntold = 1'000;
  // A call of which nothing is heard so long after its permit ran out is not counted any more: its report was lost.
  static constexpr absl::Duration kForgetAfter = absl::Seconds(5);

  struct Batch {
    size_t delivery = 0;
    std::vector<Actions::Deliver> calls;
  };

  // Streams, by their number from 0. Down forgets what was under way there.
  void Up(size_t delivery);
  void Down(size_t delivery);
  void SetCredit(size_t delivery, int64_t credit);

  // Calls that are to be sent.
  void Push(std::vector<Actions::Deliver> calls);
  // The next of them, at most `calls_max`, to the stream with the most room; nullopt when nothing waits or none has
  // room.
  std::optional<Batch> Next(size_t calls_max);
  // Something was heard of the call, or it was not sent after all.
  void Heard(CallId call);
  // Takes out the calls that cannot be sent any more: their permit has run out, or no stream is up.
  std::vector<CallId> TakeUnsendable(absl::Time now);

  // Next or TakeUnsendable has something to do, also without waiting for time to pass.
  bool has_work() const;
  size_t waiting() const { return waiting_.size(); }
  size_t under_way() const { return under_way_.size(); }

 private:
  struct Window {
    bool up = false;
    int64_t credit = 0;
    int64_t used = 0;
    int64_t room() const { return up && credit > used ? credit - used : 0; }
  };

  Window& At(size_t delivery);
  const Window* Roomiest() const;
  bool any_up() const;

  std::vector<Window> windows_;
  std::deque<Actions::Deliver> waiting_;
  absl::flat_hash_map<CallId, size_t> under_way_;        // To the number of its stream.
  std::deque<std::pair<absl::Time, CallId>> forget_at_;  // In the order in which they were sent.
};

}  // namespace fleetcast::method_dispatch
