// Structured logs: one event a line, with fields.
//
//   FLEETCAST_LOG(kInfo, "job started", {{"job_id", job}, {"devices", count}});
//   FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "edge gone", {{"edge", id}, {"error", status}});
//
// JSON lines carry ts (RFC 3339, microseconds, UTC), level, msg, service, the fields, and trace_id, span_id of the
// thread's current trace (trace.h). The message is a constant; what varies is a field. No secret is ever a field. An
// error is logged once, where it is handled.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace fleetcast::telemetry {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kJson, kConsole };
enum class LogStream { kStdout, kStderr };

struct LogOptions {
  std::string service = {};          // Name of the process, in every line.
  LogLevel level = LogLevel::kInfo;  // Events below it are dropped before their fields are looked at.
  LogFormat format = LogFormat::kJson;
  LogStream stream = LogStream::kStdout;  // Programs that print results on stdout choose kStderr.
};

// debug, info, warning, error; nullopt for anything else.
std::optional<LogLevel> ParseLogLevel(std::string_view text);

// Sets up logging for the process. Before the first call events of kInfo and above go to stderr as console lines.
// Thread-safe; the last call wins.
void InitLogging(const LogOptions& options);

// Changes the level at run time. Thread-safe.
void SetLogLevel(LogLevel level);

// True when events of `level` are written. A relaxed atomic load.
bool LogEnabled(LogLevel level);

// One field of an event. Refers to its arguments: use it only inside the call that logs.
struct LogField {
  using Value = std::variant<std::string_view, int64_t, uint64_t, double, bool, const absl::Status*, absl::Duration>;

  LogField(std::string_view key, std::string_view value) : key(key), value(value) {}
  LogField(std::string_view key, const std::string& value) : key(key), value(std::string_view(value)) {}
  LogField(std::string_view key, const char* value) : key(key), value(std::string_view(value)) {}
  LogField(std::string_view key, absl::string_view value)
      : key(key), value(std::string_view(value.data(), value.size())) {}
  LogField(std::string_view key, int value) : key(key), value(static_cast<int64_t>(value)) {}
  LogField(std::string_view key, unsigned value) : key(key), value(static_cast<uint64_t>(value)) {}
  LogField(std::string_view key, long value) : key(key), value(static_cast<int64_t>(value)) {}
  LogField(std::string_view key, unsigned long value) : key(key), value(static_cast<uint64_t>(value)) {}
  LogField(std::string_view key, double value) : key(key), value(value) {}
  LogField(std::string_view key, bool value) : key(key), value(value) {}
  LogField(std::string_view key, const absl::Status& value) : key(key), value(&value) {}  // "CODE: message"
  LogField(std::string_view key, absl::Duration value) : key(key), value(value) {}        // Seconds.

  std::string_view key;  // snake_case.
  Value value;
};

// Writes one event, whatever the level. Use the macros below. Thread-safe; one write per event. Text that is not valid
// UTF-8 is escaped, text longer than kLogTextBytesMax is cut.
void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
inline constexpr size_t kLogTextBytesMax = 4096;

// At most one event per period for one place in the code; counts what it holds back. Thread-safe.
class LogRateLimit {
 public:
  // How many events were held back since the last one that was let through, or nullopt to hold this one back too.
  // `now` is monotonic.
  std::optional<int64_t> Pass(absl::Duration now, absl::Duration period);
  // Same, on the machine's clock.
  std::optional<int64_t> Pass(absl::Duration period);

 private:
  std::atomic<int64_t> next_nanos_{INT64_MIN};
  std::atomic<int64_t> held_back_{0};
};

// Used by FLEETCAST_LOG_EVERY: adds the field "held_back" when it is not 0.
void LogHeldBack(LogLevel level, int64_t held_back, std::string_view message,
                 std::initializer_list<LogField> fields = {});

}  // namespace fleetcast::telemetry

// FLEETCAST_LOG(level, message[, {{key, value}, …}]). The fields are evaluated only when the level is on.
#define FLEETCAST_LOG(level, ...)                                                        \
  do {                                                                                   \
    if (::fleetcast::telemetry::LogEnabled(::fleetcast::telemetry::LogLevel::level)) {   \
      ::fleetcast::telemetry::Log(::fleetcast::telemetry::LogLevel::level, __VA_ARGS__); \
    }                                                                                    \
  } while (false)

// FLEETCAST_LOG_EVERY(level, period, message[, fields]): at most one event per period from this line.
#define FLEETCAST_LOG_EVERY(level, period, ...)                                                                 \
  do {                                                                                                          \
    if (::fleetcast::telemetry::LogEnabled(::fleetcast::telemetry::LogLevel::level)) {                          \
      static ::fleetcast::telemetry::LogRateLimit fleetcast_log_limit;                                          \
      if (const auto fleetcast_held_back = fleetcast_log_limit.Pass(period); fleetcast_held_back.has_value()) { \
        ::fleetcast::telemetry::LogHeldBack(::fleetcast::telemetry::LogLevel::level, *fleetcast_held_back,      \
                                            __VA_ARGS__);                                                       \
      }                                                                                                         \
    }                                                                                                           \
  } while (false)
