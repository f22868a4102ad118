// All method calls of this process that have no end yet, and the ends that schedulers have not recorded yet.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/method_dispatch/ended_calls.h"
#include "services/method_dispatch/pending_call.h"
#include "services/method_dispatch/watcher_table.h"

namespace fleetcast::method_dispatch {

// Bounds. Everything this core holds has one.
struct PendingLimits {
  size_t calls_max = 100'000;           // Unfinished calls.
  size_t calls_per_device_max = 16;     // device-mqtt.md 5.1, M15.
  size_t results_max = 200'000;         // Ends that no scheduler has acknowledged; then new job calls are refused.
  size_t result_bytes_max = 256 << 20;  // Payloads among them.
  absl::Duration result_ttl = absl::Hours(24);
  size_t ended_max = 65'536;  // Ids of ended calls whose late answers are taken at once; > 0.
  size_t watched_devices_max =
      4'000'000;  // What one Delivery stream accepts; about 50 bytes each, more with ids of over 19.
  absl::Duration permit = absl::Seconds(1);  // How long a direct call may be on its way to the device's socket.
  // A job call's permit lasts no longer from now: --permit-lifetime of schedulers is 10 s at most, and clocks differ.
  absl::Duration job_permit_max = absl::Seconds(11);
  int redeliveries_max = 3;  // Of a direct call that provably was not sent.
};

struct DirectCall {
  std::string device_id;  // As in internal.v1: of a module "device/module".
  SharedRequest request;
  absl::Duration connect_timeout;   // At most response_timeout.
  absl::Duration response_timeout;  // For all of it.
};

struct JobBatch {
  int64_t job_seq = 0;
  SharedRequest request;
  absl::Duration response_timeout;  // From SENT.
  absl::Time permit_expire;
};

struct JobTarget {
  int64_t position = 0;
  int32_t attempt = 0;
  std::string device_id;
};

// What the core wants done, in order within each list. Gathered under the owner's lock, carried out after it.
struct Actions {
  struct Deliver {
    CallId call = 0;
    std::string device_id;
    SharedRequest request;
    absl::Time permit_expire;
    absl::Time answer_deadline;
  };
  struct Reply {
    DirectToken token = 0;
    absl::Status status;  // OK: `answer` is the device's.
    pb::Answer answer;
  };
  struct Event {
    SchedulerStream stream = 0;
    ExecutionKey key;
    CallOutcome outcome;
  };
  enum class Knowledge { kPending, kFinished, kNotSeen };
  struct Recovered {
    ExecutionKey key;
    Knowledge knowledge;
  };

  std::vector<Deliver> deliver;
  std::vector<WaitingAnswer> taken;  // Tell their edges, after the replies.
  std::vector<Reply> replies;
  std::vector<Event> events;
  std::vector<Recovered> recovered;  // For the stream that asked.
  std::vector<std::string> watch;    // Ask all device_connections to tell when it listens to methods.
  std::vector<std::string> unwatch;
  std::vector<std::pair<SchedulerStream, std::string>> ready;
  std::vector<std::pair<SchedulerStream, std::string>> watch_refused;
};

// Counted here, exported by the owner as metrics. Only grow.
struct PendingCounts {
  int64_t late_events = 0;     // For calls that had ended: answers after the deadline, second answers.
  int64_t fenced_answers = 0;  // From another session than the one that got the request (M4).
  int64_t refused_calls = 0;   // A bound was reached.
  int64_t refused_watches = 0;
  int64_t expired_results = 0;
};

// The pure core: events in, actions out, the time as an argument. Each call ends exactly once. Rules: device-mqtt.md
// 5.1, service-rest.md 10, reliability.md 2.3. Not thread-safe.
class PendingCalls {
 public:
  // `seed` should be random: see CallIds. `now` is when this memory begins.
  PendingCalls(const PendingLimits& limits, uint64_t seed, const Now& now);

  // Starts a direct call; its end is a Reply with `token`. RESOURCE_EXHAUSTED (TOO_MANY_IN_FLIGHT, SERVER_BUSY) refuses
  // it: then there is no Reply.
  absl::Status StartDirect(const Now& now, DirectToken token, DirectCall call, Actions& actions);
  // Nobody waits for this call any more. Takes back what was not sent yet.
  void AbandonDirect(DirectToken token, Actions& actions);

  // Starts one call of a job for `stream`. A key that is known already is not started again: its events come again.
  void StartJobCall(const Now& now, SchedulerStream stream, const JobBatch& batch, JobTarget target, Actions& actions);
  // What is known of `key`? Its events go to `stream` from now on.
  void Recover(SchedulerStream stream, const ExecutionKey& key, Actions& actions);
  // The end of `key` is recorded elsewhere: forget it. Its answer is taken.
  void Acknowledge(const ExecutionKey& key, Actions& actions);
  // The stream is gone; its calls go on and their ends are kept.
  void OnSchedulerGone(SchedulerStream stream, Actions& actions);

  // What device_connection says about a call, through stream `from`. Unknown ids are counted and ignored. An answer
  // that waits is taken when its reply is out, its end is acknowledged, or it is dropped because its call has ended
  // here; of a call that this process does not know (any more) nothing is said: the edge lets go after the deadline.
  void OnEvent(const Now& now, DeliveryIndex from, CallId call, CallOutcome outcome, Actions& actions);
  // The device is connected and listens to methods.
  void OnReady(const Now& now, const std::string& device_id, Actions& actions);
  // At most limits.watched_devices_max; what is refused is said to the scheduler, which asks again later.
  void Watch(SchedulerStream stream, const std::string& device_id, Actions& actions);
  void Unwatch(SchedulerStream stream, const std::string& device_id, Actions& actions);
  // A device_connection did not take the watch: schedulers ask again later, direct calls run into their connect
  // timeout.
  void OnWatchRefused(const std::string& device_id, Actions& actions);
  // All devices that are being waited for; for a Delivery stream that has just been opened.
  std::vector<std::string> WatchedDevices() const;

  // Ends what is due at `now`. Call it at NextDeadline().
  void OnTime(const Now& now, Actions& actions);
  // Monotonic; InfiniteDuration when nothing waits.
  absl::Duration NextDeadline() const;

  size_t call_count() const { return calls_.size(); }
  size_t result_count() const { return results_.size(); }
  const PendingCounts& counts() const { return counts_; }
  // NOT_SEEN is the truth for executions issued after this instant: nothing issued later has been forgotten.
  absl::Time memory_begin() const { return memory_begin_; }

 private:
  // A device with unfinished calls.
  struct Device {
    size_t calls = 0;
    std::vector<CallId> waiting;  // Direct calls in kWaiting.
  };
  struct Result {
    ExecutionKey key;
    CallOutcome outcome;
    size_t bytes = 0;
    absl::Duration expire;  // Monotonic.
    absl::Time issued;
    std::optional<WaitingAnswer> waiting;
  };
  using Calls = absl::flat_hash_map<CallId, std::unique_ptr<PendingCall>>;

  CallId NewId(const PendingCall& call);
  CallId Insert(std::unique_ptr<PendingCall> call);
  bool IsWatched(const std::string& device_id) const;
  void SetDeadline(CallId id, PendingCall& call, absl::Duration deadline);
  void Erase(Calls::iterator position, Actions& actions);
  void Deliver(const Now& now, CallId id, PendingCall& call, Actions& actions);
  void Redeliver(const Now& now, Calls::iterator position, Actions& actions);
  void OnDirectNotSent(const Now& now, Calls::iterator position, pb::NotSentReason reason, Actions& actions);
  void AwaitDevice(CallId id, PendingCall& call, Actions& actions);
  void StopWaiting(CallId id, PendingCall& call, Actions& actions);
  void FinishDirect(Calls::iterator position, absl::Status status, pb::Answer answer, Actions& actions);
  using Waiting = std::optional<WaitingAnswer>;
  void Finish(const Now& now, Calls::iterator position, CallOutcome outcome, const Waiting& waiting, Actions& actions);
  void FinishJob(const Now& now, Calls::iterator position, CallOutcome outcome, const Waiting& waiting,
                 Actions& actions);
  void Keep(const Now& now, const JobOwner& job, const CallOutcome& outcome, const Waiting& waiting);
  // An event for no call of calls_.
  void OnLateEvent(const Waiting& waiting, Actions& actions);
  void UnwatchIfIdle(const std::string& device_id, bool was_watched, Actions& actions);
  void DropResult(std::list<Result>::iterator result);

  const PendingLimits limits_;
  CallIds ids_;
  absl::Time memory_begin_;
  Calls calls_;
  absl::btree_set<std::pair<absl::Duration, CallId>> deadlines_;
  absl::flat_hash_map<DirectToken, CallId> direct_;
  absl::flat_hash_map<ExecutionKey, CallId> jobs_;
  absl::flat_hash_map<std::string, Device> devices_;
  WatcherTable watchers_;
  std::list<Result> results_;  // Oldest first.
  absl::flat_hash_map<ExecutionKey, std::list<Result>::iterator> result_by_key_;
  EndedCalls ended_;
  absl::flat_hash_set<CallId> untaken_;  // Calls of results whose answer waits.
  size_t result_bytes_ = 0;
  size_t watched_devices_ = 0;
  PendingCounts counts_;
};

}  // namespace fleetcast::method_dispatch
