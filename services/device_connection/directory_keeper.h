// Keeps the directory true: leases of edges, its memory, and the entries of edges that are gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/device_connection/deliveries.h"
#include "services/device_connection/edges.h"
#include "services/device_connection/hub_metrics.h"
#include "services/device_connection/lease_gaps.h"
#include "services/device_connection/presence_reporter.h"
#include "services/device_connection/session_directory.h"
#include "services/device_connection/session_table.h"
#include "services/device_connection/twin_client.h"
#include "services/device_connection/untold_edges.h"

namespace fleetcast::device_connection {

// One thread that looks once per kTick. Recover may be called by any thread. All waits are those of the directory and
// the twin client.
class DirectoryKeeper {
 public:
  struct Options {
    absl::Duration lease = absl::Seconds(10);  // An edge that is not heard for so long is taken for dead.
  };
  struct Parts {
    SessionDirectory& directory;
    SessionTable& sessions;
    Edges& edges;
    TwinClient& twin;
    PresenceReporter& presence;
    Deliveries& deliveries;
    Clock& clock;
    const HubMetrics& metrics;
  };

  static constexpr absl::Duration kTick = absl::Seconds(1);
  static constexpr absl::Duration kSettle = absl::Seconds(5);  // For all replicas to announce their sessions.
  // Between two looks for entries of dead edges and ended sessions; one follows each new memory.
  static constexpr absl::Duration kSweep = absl::Minutes(5);
  // Until the next one when it failed, or an edge has attached since, which may not have heard what it was asked.
  static constexpr absl::Duration kSweepAgain = absl::Seconds(30);
  static constexpr absl::Duration kReviewGap = absl::Seconds(5);  // Between two reviews that were requested.

  DirectoryKeeper(const Parts& parts, const Options& options);

  // Call when a write says that the directory lost its memory: raises the generation, starts a new memory and announces
  // the sessions of this process. When several threads call, one works and the others wait.
  absl::Status Recover();

  // A session could not be entered for lack of the directory: the next look enters all of this process. Thread-safe.
  void AnnounceSoon() { announce_soon_ = true; }
  // Takes these sessions out of the directory; what cannot be done now is done at the next look that can. Blocks for
  // one round trip. Thread-safe.
  void Close(std::vector<SessionDirectory::Ending> endings) EXCLUDES(unclosed_mutex_);
  // These could not be opened, but may stand in the directory: takes them out at the next look. Thread-safe.
  void Undo(const std::vector<NewSession>& sessions) EXCLUDES(unclosed_mutex_);
  // A session of `edge`, which is not attached here, was superseded: if it still has a lease when one is over, every
  // replica reviews its sessions. Thread-safe.
  void CouldNotTell(const EdgeName& edge) EXCLUDES(unclosed_mutex_);

  // How often this process has begun to announce its table. A session that was entered in the directory before the last
  // time, and in the table after it, has been missed: whoever adds it calls EnterLate then.
  int64_t rounds() const { return rounds_; }
  // Registers subscriptions of live sessions, in the table and in the directory; as SessionDirectory::SetSubscriptions.
  // No session is entered again with what it had before. Thread-safe.
  absl::StatusOr<std::vector<bool>> Subscribe(const std::vector<SessionDirectory::SubscriptionUpdate>& updates)
      EXCLUDES(entering_);
  // Enters sessions of the table again; those that do not stand are told to go. Thread-safe.
  void EnterLate(const std::vector<Session>& sessions);

  // Renews the leases of the edges that were heard lately; also called before sessions that an edge announces are
  // entered. After a gap all sessions are entered again at the next look. Thread-safe.
  void RenewLeases() EXCLUDES(leases_mutex_);

 private:
  void Run(std::stop_token stop);
  void CheckMemory();
  absl::Status RecoverLocked() REQUIRES(recovery_);
  absl::Status AnnounceAll();
  absl::Status AnnouncePage(std::span<const Session> sessions);
  absl::StatusOr<std::vector<bool>> EnterAsTheyAre(std::span<const Session> sessions) EXCLUDES(entering_);
  void GiveUp(const Session& session, EdgeMessages& messages);
  void CloseAgain() EXCLUDES(unclosed_mutex_);
  void UndoAll() EXCLUDES(unclosed_mutex_);
  void LookAtUntold() EXCLUDES(unclosed_mutex_);
  void EndEdges();
  void EndLife(const Edges::Ended& ended);
  // True when an edge of which the last sweep saw a session has a stream that it did not have then.
  bool HasOneAttachedSince() const;
  bool Sweep(std::stop_token stop);
  bool EndDead(const SessionDirectory::Page& page);
  void CheckSessions(const SessionDirectory::Page& page);

  const Parts parts_;
  const Options options_;
  // Beyond it endings are dropped: their entries lead to edges that say STALE_ROUTE.
  static constexpr size_t kUnclosedMax = 100'000;

  Mutex unclosed_mutex_;
  std::vector<SessionDirectory::Ending> unclosed_ GUARDED_BY(unclosed_mutex_);
  std::vector<NewSession> doubtful_ GUARDED_BY(unclosed_mutex_);
  UntoldEdges untold_ GUARDED_BY(unclosed_mutex_){options_.lease};
  Mutex entering_;  // Held over I/O, on purpose: what is written to the directory last is what the table says.
  Mutex leases_mutex_;
  LeaseGaps leases_ GUARDED_BY(leases_mutex_){options_.lease};
  std::atomic<int64_t> rounds_ = 0;
  std::atomic<bool> announce_soon_ = false;
  Mutex recovery_;  // Held over I/O, on purpose: one recovery at a time. Taken by worker threads only.
  int64_t generation_ GUARDED_BY(recovery_) = 0;    // Of the memory to which the sessions have been announced.
  int64_t reviews_ GUARDED_BY(recovery_) = 0;       // Requests that have been followed,
  absl::Duration review_at_ GUARDED_BY(recovery_);  // … and when the next one may be.
  absl::Duration settled_at_ GUARDED_BY(recovery_);
  // Of the thread. Edges of which the last sweep saw a session, with the stream on which they were asked, if any.
  absl::flat_hash_map<std::string, std::pair<EdgeName, std::shared_ptr<const Edge>>> asked_;  // By boot id.
  absl::Duration swept_;
  absl::Duration sweep_at_;
  std::jthread thread_;  // Last: it uses all above.
};

}  // namespace fleetcast::device_connection
