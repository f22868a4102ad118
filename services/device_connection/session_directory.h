// Who is connected, through which edge: the directory in Redis, as use cases.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/redis/runner.h"
#include "services/device_connection/session_entry.h"

namespace fleetcast::device_connection {

// A connection that is to be entered; the directory gives it its epoch.
struct NewSession {
  std::string device_id;
  EdgeName edge;
  uint64_t session = 0;
  int64_t connect_unix_micros = 0;
  bool clean = false;  // CleanSession=1: stored subscriptions end here.
  // Stored subscriptions, if the caller has just read them from their owner; else the directory's own word counts.
  std::optional<uint32_t> stored_subscriptions = {};
};

struct OpenedSession {
  SessionEntry entry;                    // As it stands now.
  std::optional<SessionEntry> previous;  // What stood there before; if connected, it has been taken over.
};

struct Announcement {
  std::string device_id;
  SessionEntry entry;
};

// One key per device (session_entry.h), one lease key per edge, a counter of epochs, and a sentinel that holds the
// generation. All batches are one round trip of at most kBatchMax; writes to one device are atomic and the higher epoch
// wins. Redis is only speed: when it has lost its memory (flush, restart, failover to a stale replica) every write says
// so (IsLost), and the caller raises the generation, installs it and announces its sessions again
// (reliability.md 7.4). Thread-safe; blocking.
class SessionDirectory {
 public:
  static constexpr size_t kBatchMax = 1000;
  // How long the epoch of a connection that ended is kept where nothing is stored. An edge that has been cut off from
  // all replicas for longer finds its older connections standing.
  static constexpr absl::Duration kEpochRemembered = absl::Hours(1);

  // `edge_lease`: how long an edge is taken for alive after its lease was renewed.
  explicit SessionDirectory(redis::Runner& redis, absl::Duration edge_lease = absl::Seconds(10))
      : redis_(redis), edge_lease_(edge_lease) {}

  // True for the status with which calls say that the directory lost its memory.
  static bool IsLost(const absl::Status& status);

  // The generation that Redis holds; IsLost when it holds none, holds that of another process (a replica took over, or
  // it was started again), or has gone back behind an epoch that was seen.
  absl::StatusOr<int64_t> Generation();
  // The highest generation that was seen in an epoch.
  int64_t seen_generation() const { return GenerationOf(highest_epoch_); }
  // Starts a new memory with `generation`, which no memory had before, unless one with a higher generation stands
  // already. Returns the one that stands.
  absl::StatusOr<int64_t> Install(int64_t generation);

  // Enters new connections, in order; results in the same order. Renews the leases of their edges, or a session of an
  // edge that has just attached would look like one of a dead edge. When it fails they may stand there all the same:
  // Undo.
  absl::StatusOr<std::vector<OpenedSession>> Open(const std::vector<NewSession>& sessions);
  // Enters live connections again, with the epochs they have. One bool each: false when a newer session stands there.
  absl::StatusOr<std::vector<bool>> Announce(const std::vector<Announcement>& sessions);

  struct SubscriptionUpdate {
    std::string device_id;
    int64_t epoch = 0;
    Stored stored = Stored::kUnknown;
    uint32_t subscriptions = 0;
  };
  // One bool each: false when a newer session stands there.
  absl::StatusOr<std::vector<bool>> SetSubscriptions(const std::vector<SubscriptionUpdate>& updates);

  struct Ending {
    std::string device_id;
    int64_t epoch = 0;
  };
  // Takes connections out whose epoch still stands there; stored subscriptions stay. So does the epoch, for an older
  // connection of an edge that nobody heard meanwhile must not be entered again (S1).
  absl::Status Close(const std::vector<Ending>& endings);
  // Takes connections out that an Open entered although it failed here: entries that name exactly these. Also requests
  // a review, for whatever they superseded was not told.
  absl::Status Undo(const std::vector<NewSession>& sessions);

  // Asks every replica to compare its sessions with the directory: one of them may have been superseded untold.
  absl::Status RequestReview();
  // Changes with every request.
  absl::StatusOr<int64_t> Reviews();

  // The stored subscriptions of these devices are not to be trusted (deleted, perhaps created again).
  absl::Status ForgetStored(const std::vector<std::string>& device_ids);

  // Entries in the order of `device_ids`; nullopt = none. IsLost when nothing can be said.
  absl::StatusOr<std::vector<std::optional<SessionEntry>>> Find(const std::vector<std::string>& device_ids);

  // While the sessions of a new memory are being announced, a missing entry means nothing. Set by whoever watches the
  // generation.
  void set_settling(bool settling) { settling_ = settling; }
  bool is_settling() const { return settling_; }

  // Proves for the length of a lease that these edges live.
  absl::Status RenewLeases(const std::vector<EdgeName>& edges);
  // Whether each of these lives of edges was proved within the length of a lease. Each life has a lease of its own: a
  // replica that has not yet noticed the end of the last one does not take it from the next.
  absl::StatusOr<std::vector<bool>> HaveLeases(const std::vector<EdgeName>& edges);

  struct Page {
    std::vector<Announcement> sessions;  // Connected ones.
    std::string next;                    // "0" = the end.
  };
  // A part of the directory, after `cursor` ("0" = from the start), of roughly `size` keys.
  absl::StatusOr<Page> Scan(std::string_view cursor, int size);

 private:
  absl::StatusOr<std::vector<redis::Reply>> Run(const redis::Pipeline& pipeline);
  absl::StatusOr<std::vector<redis::Reply>> RunScript(const redis::Script& script, std::vector<std::string> keys,
                                                      const std::vector<std::string>& arguments);
  void AddLeases(const std::vector<EdgeName>& edges, redis::Pipeline& pipeline) const;
  void Saw(int64_t epoch);

  redis::Runner& redis_;
  const absl::Duration edge_lease_;
  std::atomic<int64_t> highest_epoch_ = 0;
  std::atomic<bool> settling_ = false;
};

}  // namespace fleetcast::device_connection
