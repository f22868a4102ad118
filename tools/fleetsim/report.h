// What the simulator tells: one JSON object a line on standard output, and the log of method calls.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/fleetsim/line_file.h"

namespace fleetcast::fleetsim {

// Counted since the start, but for the first three.
struct Figures {
  int64_t devices = 0;
  int64_t connected = 0;   // Now.
  int64_t connecting = 0;  // Now.
  int64_t connects = 0;
  int64_t resumed = 0;           // Of these, with an abbreviated TLS handshake.
  int64_t disconnects = 0;       // Lost connections, renewed tokens not counted.
  int64_t refused = 0;           // CONNACK with an error,
  int64_t refused_for_good = 0;  // of these, one after which SDKs give up: any but "unavailable".
  int64_t connect_errors = 0;
  int64_t calls = 0;            // Method requests received.
  int64_t answered = 0;         // Of these, answered with 200,
  int64_t failed = 0;           // answered with 500,
  int64_t ignored = 0;          // and never answered.
  int64_t desired = 0;          // Desired notifications received.
  int64_t reported = 0;         // Reported patches sent,
  int64_t reports_stored = 0;   // of these, answered with 204,
  int64_t reports_refused = 0;  // and with anything else.
};

// {"event":"progress","seconds":1.5,"devices":…,…}: seconds since the start, of `connected` since the round began.
std::string FormatEvent(std::string_view event, absl::Duration since_start, const Figures& figures);

// Writes FormatEvent as a line.
void PrintEvent(std::string_view event, absl::Duration since_start, const Figures& figures);

// A line per method call that a device received: {"device":…,"name":…,"rid":…,"time":…}. Readers see whole lines only.
class CallLog {
 public:
  // An empty path: nothing is logged. An existing file is replaced.
  static absl::StatusOr<CallLog> Open(const std::string& path);

  bool is_open() const { return file_.is_open(); }
  void Add(std::string_view device, std::string_view method, std::string_view request_id, absl::Time now);
  void Flush() { file_.Flush(); }

 private:
  explicit CallLog(LineFile file) : file_(std::move(file)) {}

  LineFile file_;
};

}  // namespace fleetcast::fleetsim
