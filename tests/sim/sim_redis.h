// A Redis in memory that can forget everything, or go back to an older copy of itself. Runs what the session directory
// asks for; its scripts are written once more in C++.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "libs/redis/runner.h"
#include "tests/sim/process.h"

namespace fleetcast::sim {

class SimRedis final : public redis::Runner {
 public:
  explicit SimRedis(Universe& universe) : universe_(universe) {}

  using Runner::Run;
  absl::StatusOr<std::vector<redis::Reply>> Run(const redis::Pipeline& pipeline, absl::Duration timeout) override;

  // In a thousand pipelines: fail without effect, or after the effect.
  int fail_per_mille = 0;
  int doubt_per_mille = 0;
  bool closes_any_epoch = false;  // A mistake, for tests of the rules.
  void SetUp(bool is_up) { is_up_ = is_up; }
  void Flush() { keys_.clear(); }
  // Keeps a copy of what stands now; and: goes back to it, as a failover to a replica that lags does.
  void KeepCopy() { copy_ = keys_; }
  void GoBack() {
    keys_ = copy_;
    ++run_;
  }

 private:
  struct Value {
    std::string text;
    absl::Duration expire = absl::InfiniteDuration();
  };
  using Words = std::vector<std::string>;

  redis::Reply RunCommand(const redis::Pipeline::Command& command);
  redis::Reply RunScript(const redis::Script& script, const Words& keys, const Words& arguments);
  redis::Reply Open(const Words& keys, const Words& arguments);
  redis::Reply Announce(const Words& keys, const Words& arguments);
  redis::Reply Install(const Words& keys, const Words& arguments);
  redis::Reply Scan();
  // The generation that this process was given; empty when there is none.
  std::string Generation(const std::string& sentinel);
  // Null when there is none.
  const std::string* Get(const std::string& key);
  std::string GetOr(const std::string& key, const char* otherwise);
  void Set(const std::string& key, std::string text) { keys_[key] = {std::move(text), absl::InfiniteDuration()}; }

  Universe& universe_;
  bool is_up_ = true;
  int64_t run_ = 1;  // Counts processes.
  std::map<std::string, Value> keys_;
  std::map<std::string, Value> copy_;
};

}  // namespace fleetcast::sim
