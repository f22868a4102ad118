// What the simulator tells: one JSON object a line on standard output, and the log of method calls.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace fleetcast::fleetsim {

// Counted since the start, but for the first three.
struct Figures {
  int64_t devices = 0;
  int64_t connected = 0;   // Now.
  int64_t connecting = 0;  // Now.
  int64_t connects = 0;
  int64_t disconnects = 0;  // Lost connections, renewed tokens not counted.
  int64_t refused = 0;      // CONNACK with an error.
  int64_t connect_errors = 0;
  int64_t calls = 0;     // Method requests received.
  int64_t answered = 0;  // Of these, answered with 200,
  int64_t failed = 0;    // answered with 500,
  int64_t ignored = 0;   // and never answered.
  int64_t desired = 0;   // Desired notifications received.
  int64_t reported = 0;  // Reported patches sent.
};

// {"event":"progress","seconds":1.5,"devices":…,…}: seconds since the start.
std::string FormatEvent(std::string_view event, absl::Duration since_start, const Figures& figures);

// Writes FormatEvent as a line.
void PrintEvent(std::string_view event, absl::Duration since_start, const Figures& figures);

// A line per method call that a device received: {"device":…,"name":…,"rid":…,"time":…}. Readers see whole lines only.
class CallLog {
 public:
  // An empty path: nothing is logged. An existing file is replaced.
  static absl::StatusOr<CallLog> Open(const std::string& path);
  CallLog(CallLog&& other) noexcept : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
  ~CallLog();

  bool is_open() const { return fd_ >= 0; }
  void Add(std::string_view device, std::string_view method, std::string_view request_id, absl::Time now);
  // Hands the lines to the kernel: they survive the end of this process, however it ends.
  void Flush();

 private:
  explicit CallLog(int fd) : fd_(fd) {}

  int fd_;
  std::string buffer_;
};

}  // namespace fleetcast::fleetsim
