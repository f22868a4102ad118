// Who runs pipelines: Client for a real Redis, tests in memory.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/redis/pipeline.h"
#include "libs/redis/reply.h"

namespace fleetcast::redis {

class Runner {
 public:
  virtual ~Runner() = default;

  // Runs `pipeline` and returns one reply per command, in order; else one status for all (client.h lists them).
  virtual absl::StatusOr<std::vector<Reply>> Run(const Pipeline& pipeline, absl::Duration timeout) = 0;

  // Run for one command.
  absl::StatusOr<Reply> Run(std::vector<std::string> command, absl::Duration timeout) {
    Pipeline pipeline;
    pipeline.Add(std::move(command));
    absl::StatusOr<std::vector<Reply>> replies = Run(pipeline, timeout);
    if (!replies.ok()) return replies.status();
    return std::move(replies->front());
  }
};

}  // namespace fleetcast::redis
