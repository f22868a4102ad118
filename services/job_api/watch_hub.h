// Many watchers of a job, one reader: while a job is watched, one thread reads it and every watcher gets what changed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fleetcast/jobs/v1/job.pb.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/telemetry/metrics.h"
#include "services/job_api/watch_view.h"

namespace fleetcast::job_api {

inline constexpr absl::Duration kWatchIntervalMin = absl::Milliseconds(250);
inline constexpr absl::Duration kWatchIntervalMax = absl::Seconds(60);
inline constexpr size_t kWatchersMax = 10'000;
inline constexpr size_t kResumeTokenBytesMax = 256;  // Longer ones are not ours.

// One who watches. Called on the hub's thread; must not block.
class Watcher {
 public:
  enum class Answer {
    kTaken,
    kBusy,  // Not taken; a later message makes up for it. What is new is offered until it is taken.
    kGone,
  };
  virtual ~Watcher() = default;
  // The job, or what has changed since the last message that was taken.
  virtual Answer OnMessage(const jobs::v1::WatchJobResponse& message) = 0;
  // Whether nobody listens any more.
  virtual bool is_gone() const = 0;
  // The watch is over: OK after the terminal state, else why.
  virtual void OnEnd(const absl::Status& status) = 0;
};

// Thread-safe. Errors of one reading are passed to the watchers of that job only when the job does not exist; a
// database that is away is waited for.
class WatchHub {
 public:
  using ReadJob = std::function<absl::StatusOr<jobs::v1::Job>(const std::string& job_id)>;

  // `read` is a point read of one job; called from the hub's thread only. `turn`: how often watched jobs are looked at.
  WatchHub(Clock& clock, ReadJob read, telemetry::Metrics& metrics, absl::Duration turn = kWatchIntervalMin);
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // Ends all watches with UNAVAILABLE and takes no new ones. The first call counts.
  void Stop() EXCLUDES(mutex_);

  struct Request {
    std::string job_id;
    absl::Duration interval;        // Up to kWatchIntervalMax.
    std::string resume_token = {};  // Of an earlier watch; anything.
    std::shared_ptr<Watcher> watcher;
  };
  // Watches a job: a snapshot at once (with a token that fits: what has changed since, if anything), then what changes,
  // at least `interval` apart; the end is told in the next turn. RESOURCE_EXHAUSTED when there
  // are kWatchersMax already, UNAVAILABLE after Stop; the watcher is then not called.
  absl::Status Watch(Request request) EXCLUDES(mutex_);

 private:
  struct Entry {
    std::shared_ptr<Watcher> watcher;
    absl::Duration interval;
    std::string seen;                                      // The resume token of the last message taken.
    absl::Duration last_turn = -absl::InfiniteDuration();  // Monotonic: when it was last looked after.

    bool IsDue(absl::Duration now) const { return now - last_turn >= interval; }
  };
  using Entries = std::vector<Entry>;

  void Loop(std::stop_token stop);
  // One round over all watched jobs.
  void Turn();
  // Serves the watchers of one job; those that go on are kept in `entries`.
  void Serve(const std::string& job_id, Entries& entries);
  // Serves one watcher. True when it goes on.
  bool ServeOne(const WatchView& view, absl::Duration now, Entry& entry);

  Clock& clock_;
  const ReadJob read_;
  const absl::Duration turn_;
  Mutex mutex_;
  CondVar arrived_;
  std::map<std::string, Entries> arrivals_ GUARDED_BY(mutex_);
  size_t count_ GUARDED_BY(mutex_) = 0;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::map<std::string, Entries> watched_;  // The loop's own.
  telemetry::Gauge watchers_;
  std::jthread thread_;  // Last: it uses all of the above.
};

}  // namespace fleetcast::job_api
