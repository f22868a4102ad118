// One connection to Redis. Private to libs/redis: nobody else includes this header.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/redis/pipeline.h"
#include "libs/redis/reply.h"

struct redisContext;

namespace fleetcast::redis {

// The reply to one command, or the error that Redis answered to it ("NOSCRIPT …", "LOADING …") or to a command inside
// of it (EXEC).
struct Answer {
  Reply reply;
  std::string error;  // Empty: none.
};

// A blocking connection with deadlines, closed until opened. After any error but an Answer's it is closed: hiredis
// contexts do not recover. Deadlines are instants of Clock::Monotonic. Not thread-safe.
class Connection {
 public:
  explicit Connection(Clock& clock) : clock_(clock) {}
  ~Connection();

  absl::Status OpenTcp(const std::string& host, int port, absl::Duration deadline);
  absl::Status OpenUnix(const std::string& path, absl::Duration deadline);
  void Close();
  bool is_open() const { return context_ != nullptr; }

  // Writes all commands, then reads one answer for each. UNAVAILABLE or DEADLINE_EXCEEDED.
  absl::StatusOr<std::vector<Answer>> Exchange(const Pipeline& pipeline, absl::Duration deadline);

 private:
  struct Free {
    void operator()(redisContext* context) const;
  };

  absl::Status Adopt(redisContext* context);
  absl::Status Write(const Pipeline& pipeline, absl::Duration deadline);
  absl::StatusOr<Answer> ReadAnswer(absl::Duration deadline);
  absl::Status Await(short event, absl::Duration deadline);
  absl::Status Broken(const char* doing);

  Clock& clock_;
  std::unique_ptr<redisContext, Free> context_;
};

}  // namespace fleetcast::redis
