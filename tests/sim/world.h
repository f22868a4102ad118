// A whole deployment in one thread: see README.md.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/job_store/memory_job_store.h"
#include "libs/telemetry/metrics.h"
#include "services/mqtt_edge/edge_metrics.h"
#include "services/scheduler/metrics.h"
#include "tests/sim/history.h"
#include "tests/sim/options.h"
#include "tests/sim/sim_redis.h"
#include "tests/sim/sim_twin.h"

namespace fleetcast::sim {

class SimDevice;
class SimDispatcher;
class SimEdge;
class SimHub;
class SimScheduler;

// Shared by all worlds of a program: a registry is slow to fill.
struct SimMetrics {
  telemetry::Metrics registry;
  scheduler::SchedulerMetrics scheduler{registry};
  mqtt_edge::EdgeMetrics edge{registry};
};

// Methods are named after what calls them: "job-3", "direct-7".
int64_t JobOfMethod(std::string_view method);

class World {
 public:
  World(const WorldOptions& options, SimMetrics& metrics);
  ~World();

  const WorldOptions& options() const { return options_; }
  Universe& universe() { return universe_; }
  History& history() { return history_; }
  const History& history() const { return history_; }
  SimMetrics& metrics() { return metrics_; }
  job_store::JobStore& store() { return store_; }
  SimRedis& redis() { return redis_; }
  SimTwin& twin() { return twin_; }
  SimScheduler& scheduler(int index) { return *schedulers_[static_cast<size_t>(index)]; }
  SimDispatcher& dispatcher(int index) { return *dispatchers_[static_cast<size_t>(index)]; }
  SimHub& hub(int index) { return *hubs_[static_cast<size_t>(index)]; }
  SimEdge& edge(int index) { return *edges_[static_cast<size_t>(index)]; }
  SimDevice& device(int index) { return *devices_[static_cast<size_t>(index)]; }
  int device_count() const { return static_cast<int>(devices_.size()); }
  // All but the devices.
  std::vector<Process*> processes();
  absl::Time wall() { return database_clock_.Now(); }

  // One more registered device; its index.
  int AddDevice();
  std::string DeviceId(int index) const;
  int DeviceOf(std::string_view device_id) const;
  void StartAll();

  // What an application asks for. `condition` "few" means ten devices, everything else all.
  int64_t CreateJob(job_store::JobSpec spec);
  void CancelJob(int64_t job);
  void Invoke(int device, absl::Duration connect_timeout, absl::Duration response_timeout);
  // Reads every job, as an application does, and judges what it sees; with `executions` also every execution.
  void Read(bool executions);
  std::vector<job_store::Execution> ListExecutions(const JobHistory& job);
  bool all_ended() const;
  // The number here of the job that the store knows by `job_seq`.
  int64_t NumberOfSeq(int64_t job_seq) const { return number_of_seq_.at(job_seq); }

  void RunFor(absl::Duration duration);

  // A wall clock was set wrong in this run, and has to be set right at the end of the faults.
  bool has_wrong_clock = false;
  // Since when no fault has been at work; InfiniteFuture while one is.
  absl::Duration healthy_since = absl::ZeroDuration();
  bool is_healthy() const { return universe_.queue.now() >= healthy_since + absl::Seconds(15); }

  // What the parts report to the observer.
  void OnWritten(int64_t job, int device, uint64_t call_id, uint64_t connection);
  void OnRecorded(std::span<const job_store::Outcome> outcomes);
  void OnRegistered(const std::string& device_id, int64_t epoch);
  void OnAccepted(uint64_t connection, int64_t epoch);
  void OnConnectionEnded(uint64_t connection, int reason);
  uint64_t NewConnection(int device);
  // A request that an edge gave to a device's connection.
  struct WrittenCall {
    int64_t job = 0;
    int device = 0;
    uint64_t call_id = 0;
  };
  // One of the last that went to other devices than this one; none when there is none.
  std::optional<WrittenCall> CallOfAnother(int device);
  int64_t NextToken() { return ++last_token_; }

 private:
  job_store::Job ReadJob(JobHistory& job);
  void Spoil(job_store::Job& job);
  void ListTargets(JobHistory& job);

  const WorldOptions options_;
  SimMetrics& metrics_;
  Universe universe_;
  History history_;
  ProcessClock database_clock_;
  job_store::MemoryJobStore store_;
  SimRedis redis_;
  SimTwin twin_;
  std::vector<std::unique_ptr<SimHub>> hubs_;
  std::vector<std::unique_ptr<SimDispatcher>> dispatchers_;
  std::vector<std::unique_ptr<SimScheduler>> schedulers_;
  std::vector<std::unique_ptr<SimEdge>> edges_;
  std::vector<std::unique_ptr<SimDevice>> devices_;
  std::vector<WrittenCall> calls_;
  std::map<int64_t, int64_t> number_of_seq_;  // Of jobs.
  uint64_t last_connection_ = 0;
  int64_t last_direct_ = kFirstDirect;
  int64_t last_token_ = 0;
};

}  // namespace fleetcast::sim
