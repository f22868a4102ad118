// The twin service, played: who exists, effectively-once writes, stored subscriptions, the session generation. What it
// has committed survives its death.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "services/scheduler/effects.h"
#include "tests/sim/history.h"
#include "tests/sim/options.h"
#include "tests/sim/stream.h"

namespace fleetcast::sim {

class SimTwin final : public Process, public scheduler::TargetSource {
 public:
  static constexpr int kFew = 10;  // Devices that match the condition "few".

  SimTwin(Universe& universe, History& history, const WorldOptions& options)
      : Process(universe, "twin", 0), history_(history), options_(options) {}

  void Register(const std::string& device_id, int device) { devices_[device_id] = device; }
  const std::map<std::string, int>& devices() const { return devices_; }

  // In a thousand: streams of targets that break, slices whose commit is in doubt.
  int break_stream_per_mille = 0;
  int unknown_per_mille = 0;

  // The observer's: a job's number there, and what is told to it.
  std::function<int64_t(int64_t job_seq)> number_of_seq;
  std::function<void(int64_t job, int device)> on_written;

  absl::Status StreamTargets(std::string_view condition, std::string_view after_device_id, std::stop_token stop,
                             const std::function<absl::Status(std::vector<std::string> page)>& on_page) override;

  // A scheduler's stream of slices.
  void Accept(std::shared_ptr<Stream> stream) { streams_.push_back(std::move(stream)); }
  struct Slice {
    job_store::ChunkKey chunk;
    int slice = 0;
    absl::Time permit_end;
    std::vector<std::string> device_ids;
  };
  scheduler::SliceResult Write(const Slice& slice);

  // A generation above `seen`, and above all that were given before.
  int64_t RaiseGeneration(int64_t seen);
  // Stored subscriptions of a device; fenced by the epoch of the session.
  struct Stored {
    int64_t epoch = 0;
    uint32_t subscriptions = 0;
    bool has_session = false;
  };
  Stored& stored(const std::string& device_id) { return stored_[device_id]; }

 private:
  void OnStart() override {}
  void OnKill() override {
    for (const auto& stream : std::exchange(streams_, {})) stream->Close(Side::kServer, true);
  }

  std::vector<std::shared_ptr<Stream>> streams_;
  History& history_;
  const WorldOptions& options_;
  std::map<std::string, int> devices_;
  std::map<std::string, Stored> stored_;
  std::set<std::tuple<int64_t, int32_t, int>> applied_;  // Operation keys: job, chunk, slice.
  int64_t generation_ = 0;
};

}  // namespace fleetcast::sim
