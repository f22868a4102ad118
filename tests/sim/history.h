// What an all-seeing observer knows about a run: the facts that the rules are about.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "libs/job_store/job.h"

namespace fleetcast::sim {

// Direct calls have numbers of their own, from here on; jobs those of the store.
inline constexpr int64_t kFirstDirect = 1'000'000;

constexpr bool IsDirect(int64_t job) { return job >= kFirstDirect; }

// A request that an edge gave to a device's connection.
struct Write {
  absl::Duration at;
  uint64_t call_id = 0;
  uint64_t connection = 0;
};

// A request that arrived at the device, and what the device made of it.
struct Receipt {
  absl::Duration at;
  uint64_t call_id = 0;
  uint64_t connection = 0;
};
struct Reply {
  absl::Duration at;
  uint64_t call_id = 0;
  uint64_t connection = 0;
  int status = 0;
  std::string payload;
};

// One job, or direct call, on one device.
struct TargetHistory {
  std::vector<Write> writes;
  std::vector<Receipt> receipts;
  std::vector<Reply> replies;
  std::vector<absl::Duration> twin_writes;
  std::optional<absl::Duration> ended;  // When its outcome was first committed.
};

// One connection of a device, over all edges.
struct ConnectionHistory {
  int device = 0;
  absl::Duration connect_sent;            // By the device.
  int64_t epoch = 0;                      // 0 = it was not accepted.
  absl::Duration accepted;                // When the edge wrote CONNACK,
  std::optional<absl::Duration> connack;  // … and when it arrived.
  std::optional<absl::Duration> ended;    // At the edge.
};

struct JobHistory {
  std::string id;
  bool is_method = true;
  std::optional<absl::Time> start_time;
  absl::Duration created;
  std::optional<absl::Duration> cancel_acknowledged;
  std::optional<absl::Duration> deadline;  // Start and execution time, when it has started.
  std::vector<std::string> matched;        // Devices that were registered when the job was created.
  std::vector<int> targets;                // By number, once an outcome was recorded.
  bool is_small = false;                   // Ten devices, created beside a big one.
  int in_flight_max = 0;                   // 0 = no cap.
  int retries = 0;                         // That a target may have at most.
  absl::Duration response_timeout;
  // As last read.
  std::optional<job_store::Job> last;
  std::optional<absl::Duration> first_action;
  std::optional<absl::Duration> all_ended;  // Since when nothing of it has been pending or running.
  std::optional<absl::Duration> ended;
  std::map<int64_t, job_store::Execution> terminal;  // Executions that were seen to have ended.
};

struct DirectHistory {
  int device = 0;
  absl::Duration started;
  absl::Duration limit;  // Connect and response time.
  std::optional<absl::Duration> ended;
  bool was_answered = false;
  bool was_denied = false;  // Not sent, says the reply.
  std::string payload;
};

struct Violation {
  std::string rule;
  std::string text;
  int64_t job = 0;
  int device = -1;
};

// Not thread-safe.
class History {
 public:
  TargetHistory& Target(int64_t job, int device) { return targets_[{job, device}]; }
  const TargetHistory* FindTarget(int64_t job, int device) const {
    const auto found = targets_.find({job, device});
    return found == targets_.end() ? nullptr : &found->second;
  }
  const std::map<std::pair<int64_t, int>, TargetHistory>& targets() const { return targets_; }

  std::map<int64_t, JobHistory> jobs;
  std::map<int64_t, DirectHistory> directs;
  std::map<uint64_t, ConnectionHistory> connections;        // In the order in which devices dialled.
  std::map<int, std::vector<uint64_t>> connections_of;      // By device, the same.
  std::map<std::pair<int, uint64_t>, absl::Duration> rids;  // By device: request ids that were written to it.
  std::map<int, std::vector<int64_t>> registered;           // By device: epochs as the directory gave them.

  std::vector<absl::Duration> memory_losses;  // When Redis forgot everything, or what came last.

  // Whether anybody can know at `when` that this connection came about: it is alive, or Redis kept its memory since.
  // After both an older connection that is alive is the newest that there is, and S6 has nothing closed for that.
  bool IsKnown(const ConnectionHistory& connection, absl::Duration when) const {
    if (!connection.ended.has_value() || *connection.ended > when) return true;
    return std::none_of(memory_losses.begin(), memory_losses.end(),
                        [&](absl::Duration loss) { return loss > connection.accepted && loss <= when; });
  }

  std::set<int64_t> all_epochs;  // That the directory gave to whatever device.

  void Fail(std::string rule, int64_t job, int device, std::string text) {
    if (violations.size() < kViolationsMax) violations.push_back({std::move(rule), std::move(text), job, device});
  }
  std::vector<Violation> violations;

 private:
  static constexpr size_t kViolationsMax = 200;

  std::map<std::pair<int64_t, int>, TargetHistory> targets_;
};

}  // namespace fleetcast::sim
