// Calls on their way: which dispatcher asked, which edge has them.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "fleetcast/internal/v1/delivery.pb.h"
#include "services/device_connection/session_entry.h"

namespace fleetcast::device_connection {

using DispatcherStream = uint64_t;  // Names a Deliver stream of a method_dispatch.
using EdgeNumber = uint64_t;        // Names one life of one edge in this process.

// Where an event has to go. Stream 0: nobody in particular; every dispatcher gets it and the right one recognises it.
struct RoutedEvent {
  DispatcherStream stream = 0;
  internal::v1::DeliverEvent event;
};

// The pure core of deliveries. A call is here from before it is pushed to an edge until it ends (when its device waits
// for the answer to be taken: until that) or its time is over.
// Events whose dispatcher's stream is gone (or that this process never pushed: it restarted) are kept for a while and
// handed to each dispatcher that attaches: call ids are unique, so whoever does not know one ignores it. Times are
// monotonic. Not thread-safe.
class DeliveryTable {
 public:
  struct Options {
    size_t calls_max = 500'000;
    size_t orphans_max = 50'000;
    absl::Duration orphan_ttl = absl::Seconds(60);
  };

  explicit DeliveryTable(const Options& options) : options_(options) {}

  // Notes a call before it is pushed. False when the table is full, the id is there already, or `edge_credit` calls are
  // on their way to the edge and not reported yet.
  bool Add(uint64_t call_id, DispatcherStream stream, EdgeNumber edge, int64_t edge_credit, absl::Duration forget_at);
  // Takes a call back that was not pushed after all.
  void Remove(uint64_t call_id);

  // An edge's word about a call. The answer says where it goes.
  RoutedEvent OnReport(internal::v1::DeliverEvent event, absl::Duration now);
  // The edge whose device waits for the answer of this call, which is taken now and forgotten. None: not known here.
  std::optional<EdgeNumber> TakeAnswer(uint64_t call_id);
  // The edge will say nothing more: its calls end as UNKNOWN (EDGE_LOST).
  std::vector<RoutedEvent> OnEdgeLost(EdgeNumber edge, absl::Duration now);
  // The dispatcher's stream is gone; its calls go on.
  void OnStreamGone(DispatcherStream stream);
  // An event that could not be handed over.
  void KeepOrphan(internal::v1::DeliverEvent event, absl::Duration now);
  // What waits for whoever attaches.
  std::vector<internal::v1::DeliverEvent> Orphans(absl::Duration now);

  // Forgets calls whose time is over. Call it about once a second.
  void OnTime(absl::Duration now);

  size_t call_count() const { return calls_.size(); }
  size_t orphan_count() const { return orphans_.size(); }

 private:
  struct Call {
    DispatcherStream stream = 0;
    EdgeNumber edge = 0;
    absl::Duration forget_at;
    bool is_reported = false;
    bool is_answered = false;  // And the device waits for that to be taken.
  };
  struct Orphan {
    internal::v1::DeliverEvent event;
    absl::Duration expire;
  };

  void DropExpiredOrphans(absl::Duration now);
  // The edge has said something about the call, or will not: it does not count against the edge's credit any more.
  void FreeCredit(Call& call);

  const Options options_;
  absl::flat_hash_map<uint64_t, Call> calls_;
  absl::flat_hash_map<EdgeNumber, int64_t> unreported_;  // Calls of each edge that count against its credit.
  std::deque<Orphan> orphans_;                           // Oldest first.
};

}  // namespace fleetcast::device_connection
