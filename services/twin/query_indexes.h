// Brings the expression indexes of the database to what the configuration declares, beside serving.
#pragma once

#include <atomic>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "services/twin/store/index_store.h"

namespace fleetcast::twin {

// Its thread takes the lock that all replicas share, reconciles once and ends. It tries again after errors and while
// another replica is at work. Everything passed outlives it.
class QueryIndexKeeper {
 public:
  QueryIndexKeeper(IndexStore& store, std::vector<QueryIndex> wanted, Clock& clock);
  // Ends a build that runs: what it leaves is dropped and built again by the next process.
  ~QueryIndexKeeper();

 private:
  void Run(std::stop_token stop);
  // True when there is nothing left to do.
  bool TryOnce(std::stop_token stop);

  IndexStore& store_;
  const std::vector<QueryIndex> wanted_;
  Clock& clock_;
  std::atomic<bool> is_done_{false};
  std::jthread thread_;
};

}  // namespace fleetcast::twin
