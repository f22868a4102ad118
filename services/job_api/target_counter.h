// How many devices a condition matches right now: asks twin.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/rpc/call.h"

namespace grpc {
class ChannelInterface;
}  // namespace grpc

namespace fleetcast::job_api {

struct Matches {
  int64_t count = 0;
  int64_t connected = 0;            // Of these.
  std::vector<std::string> sample;  // The first ids.
};

// An interface for the sake of tests. Thread-safe.
class TargetCounter {
 public:
  virtual ~TargetCounter() = default;
  // Errors of twin are passed on: INVALID_ARGUMENT (INVALID_CONDITION), DEADLINE_EXCEEDED, UNAVAILABLE.
  virtual absl::StatusOr<Matches> Count(const rpc::Call& call, const std::string& condition, int sample_size) = 0;
};

// The one that calls twin's TargetService.
std::unique_ptr<TargetCounter> NewTargetCounter(std::shared_ptr<grpc::ChannelInterface> twin);

}  // namespace fleetcast::job_api
