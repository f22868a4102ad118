// One kind of next hop (dispatchers, or twin writers): its peers, their credit, and whose turn it is.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "services/scheduler/planner.h"

namespace fleetcast::scheduler {

// One address of the next hop.
struct Peer {
  bool up = false;
  absl::Time boot = absl::InfiniteFuture();  // When the process there started, as it says.
  int64_t credit = 0;                        // Targets that it lets us have unfinished.
  int64_t in_flight = 0;                     // Sent, or about to be sent, and not ended.
  uint64_t connection = 0;                   // Counts streams: what was meant for an older one is void.

  int64_t free() const { return up && credit > in_flight ? credit - in_flight : 0; }
};

// Where the targets of one turn are meant to go.
struct Destination {
  int peer = 0;
  uint64_t connection = 0;
};

// Pure, not thread-safe.
class Lane {
 public:
  // `turn_max`: targets of one turn.
  explicit Lane(int peers, int turn_max = kSubBatchTargets) : planner_(turn_max), peers_(static_cast<size_t>(peers)) {}

  Planner& planner() { return planner_; }
  int peer_count() const { return static_cast<int>(peers_.size()); }
  const Peer& peer(int index) const { return peers_[static_cast<size_t>(index)]; }

  void Up(int index, absl::Time boot, int64_t credit);
  void Down(int index);
  void SetCredit(int index, int64_t credit) { At(index).credit = credit; }

  // Counts targets in flight to a peer.
  void Took(int index, int targets) { At(index).in_flight += targets; }
  void Released(int index, int targets);
  // Same for a destination; nothing when its stream is no more.
  void Released(const Destination& to, int targets);

  // Targets that all peers together would take now.
  int64_t free() const;
  // The peer with the most room; nullopt when none has any.
  std::optional<Destination> Roomiest() const;
  // True when the stream that was chosen still stands.
  bool Stands(const Destination& to) const;
  // The first peer that is up; nullopt when none is.
  std::optional<int> AnyUp() const;

 private:
  Peer& At(int index) { return peers_[static_cast<size_t>(index)]; }

  Planner planner_;
  std::vector<Peer> peers_;
};

}  // namespace fleetcast::scheduler
