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

namespace fleetcast::job_api {

inline constexpr absl::Duration kWatchIntervalMin = absl::Milliseconds(250);
inline constexpr absl::Duration kWatchIntervalMax = absl::Seconds(60);
inline constexpr size_t kWatchersMax = 10'000;

// One who watches. Called on the hub's thread; must not block.
class Watcher {
 public:
  enum class Answer {
    kTaken,
    kBusy,  // Not taken; a later snapshot is as good. The last one is offered until it is taken.
    kGone,
  };
  virtual ~Watcher() = default;
  // A snapshot of the job.
  virtual Answer OnJob(const jobs::v1::Job& job) = 0;
  // The watch is over: OK after the terminal state, else why.
  virtual void OnEnd(const absl::Status& status) = 0;
};

// Thread-safe. Errors of one reading are passed to the watchers of that job only when the job does not exist; a
// database that is away is waited for.
class WatchHub {
 public:
  using ReadJob = std::function<absl::StatusOr<jobs::v1::Job>(const std::string& job_id)>;

  // `read` is a point read of one job; called from the hub's thread only.
  WatchHub(Clock& clock, ReadJob read, telemetry::Metrics& metrics);
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // Ends all watches with UNAVAILABLE and takes no new ones. The first call counts.
  void Stop() EXCLUDES(mutex_);

  // Watches `job_id`: a snapshot at once, then after changes, at least `interval` apart. RESOURCE_EXHAUSTED when there
  // are kWatchersMax already, UNAVAILABLE after Stop; the watcher is then not called.
  absl::Status Watch(const std::string& job_id, absl::Duration interval, std::shared_ptr<Watcher> watcher);

 private:
  struct Entry {
    std::shared_ptr<Watcher> watcher;
    absl::Duration interval;
    absl::Duration next;                           // Monotonic: not before.
    std::shared_ptr<const std::string> last_sent;  // Serialized; an equal snapshot is not sent again.
  };
  using Entries = std::vector<Entry>;

  void Loop(std::stop_token stop);
  // One round over all watched jobs.
  void Turn();
  // Serves the watchers of one job; those that go on are kept in `entries`.
  void Serve(const std::string& job_id, Entries& entries);
  // Serves one watcher. True when it goes on.
  bool ServeOne(const jobs::v1::Job& job, const std::shared_ptr<const std::string>& bytes, absl::Duration now,
                Entry& entry);

  Clock& clock_;
  const ReadJob read_;
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
