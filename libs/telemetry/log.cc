#include "libs/telemetry/log.h"

#include <memory>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/strings.h"
#include "libs/telemetry/json_text.h"
#include "libs/telemetry/trace.h"
#include "spdlog/logger.h"
#include "spdlog/sinks/stdout_sinks.h"

namespace fleetcast::telemetry {
namespace {

// What InitLogging sets up; replaced as a whole, so that an event sees one or the other.
struct Output {
  LogOptions options;
  std::shared_ptr<spdlog::logger> logger;
};

std::shared_ptr<const Output> MakeOutput(const LogOptions& options) {
  spdlog::sink_ptr sink;
  if (options.stream == LogStream::kStdout) {
    sink = std::make_shared<spdlog::sinks::stdout_sink_mt>();
  } else {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  }
  auto logger = std::make_shared<spdlog::logger>(options.service, std::move(sink));
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::trace);  // A line that explains a crash must be out before it.
  return std::make_shared<const Output>(Output{options, std::move(logger)});
}

std::atomic<LogLevel> g_level = LogLevel::kInfo;

struct OutputSlot {
  Mutex mutex;
  std::shared_ptr<const Output> output GUARDED_BY(mutex) = MakeOutput({.format = LogFormat::kConsole,
                                                                       .stream = LogStream::kStderr});
};

// Never destroyed: threads may log while the process exits.
OutputSlot& Slot() {
  static OutputSlot* const slot = new OutputSlot;
  return *slot;
}

std::shared_ptr<const Output> CurrentOutput() {
  OutputSlot& slot = Slot();
  MutexLock lock(slot.mutex);
  return slot.output;
}

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "";
}

std::string StatusText(const absl::Status& status) {
  return absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message());
}

void AppendValue(const LogField::Value& value, std::string* line) {
  std::visit(
      [line](const auto& v) {
        using V = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<V, std::string_view>) {
          AppendJsonString(v, kLogTextBytesMax, line);
        } else if constexpr (std::is_same_v<V, const absl::Status*>) {
          AppendJsonString(StatusText(*v), kLogTextBytesMax, line);
        } else if constexpr (std::is_same_v<V, absl::Duration>) {
          absl::StrAppend(line, absl::ToDoubleSeconds(v));
        } else if constexpr (std::is_same_v<V, bool>) {
          *line += v ? "true" : "false";
        } else if constexpr (std::is_same_v<V, double>) {
          // JSON knows neither inf nor nan.
          if (v - v == 0)
            absl::StrAppend(line, v);
          else
            *line += "null";
        } else {
          absl::StrAppend(line, v);
        }
      },
      value);
}

void AppendMember(std::string_view key, const LogField::Value& value, std::string* line) {
  line->push_back(',');
  AppendJsonString(key, kLogTextBytesMax, line);
  line->push_back(':');
  AppendValue(value, line);
}

std::string JsonLine(const Output& output, LogLevel level, std::string_view message,
                     std::initializer_list<LogField> fields, const LogField* extra) {
  const std::string now = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", SystemClock().Now(), absl::UTCTimeZone());
  std::string line = absl::StrCat("{\"ts\":\"", now, "\",\"level\":\"", Absl(LevelName(level)), "\"");
  AppendMember("msg", message, &line);
  AppendMember("service", std::string_view(output.options.service), &line);
  for (const LogField& field : fields) AppendMember(field.key, field.value, &line);
  if (extra != nullptr) AppendMember(extra->key, extra->value, &line);
  if (const TraceContext& trace = CurrentTrace(); trace.valid()) {
    absl::StrAppend(&line, ",\"trace_id\":\"", trace.TraceIdHex(), "\",\"span_id\":\"", trace.SpanIdHex(),
                    "\",\"trace_flags\":\"", trace.sampled() ? "01" : "00", "\"");
  }
  line.push_back('}');
  return line;
}

std::string ConsoleLine(LogLevel level, std::string_view message, std::initializer_list<LogField> fields,
                        const LogField* extra) {
  const std::string now = absl::FormatTime("%H:%M:%E3S", SystemClock().Now(), absl::LocalTimeZone());
  std::string line = absl::StrCat(now, " ", Absl(LevelName(level)), " ", Absl(message));
  const auto append = [&line](const LogField& field) {
    absl::StrAppend(&line, " ", Absl(field.key), "=");
    AppendValue(field.value, &line);
  };
  for (const LogField& field : fields) append(field);
  if (extra != nullptr) append(*extra);
  return line;
}

void Write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields, const LogField* extra) {
  const std::shared_ptr<const Output> output = CurrentOutput();
  const std::string line = output->options.format == LogFormat::kJson ? JsonLine(*output, level, message, fields, extra)
                                                                      : ConsoleLine(level, message, fields, extra);
  output->logger->log(spdlog::level::info, line);
}

}  // namespace

std::optional<LogLevel> ParseLogLevel(std::string_view text) {
  for (const LogLevel level : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (LevelName(level) == text) return level;
  }
  return std::nullopt;
}

void InitLogging(const LogOptions& options) {
  std::shared_ptr<const Output> output = MakeOutput(options);
  OutputSlot& slot = Slot();
  MutexLock lock(slot.mutex);
  slot.output.swap(output);
  SetLogLevel(options.level);
}

void SetLogLevel(LogLevel level) { g_level.store(level, std::memory_order_relaxed); }

bool LogEnabled(LogLevel level) { return level >= g_level.load(std::memory_order_relaxed); }

void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  Write(level, message, fields, nullptr);
}

void LogHeldBack(LogLevel level, int64_t held_back, std::string_view message, std::initializer_list<LogField> fields) {
  const LogField extra("held_back", held_back);
  Write(level, message, fields, held_back > 0 ? &extra : nullptr);
}

std::optional<int64_t> LogRateLimit::Pass(absl::Duration now, absl::Duration period) {
  const int64_t nanos = absl::ToInt64Nanoseconds(now);
  int64_t next = next_nanos_.load(std::memory_order_relaxed);
  const bool passes =
      nanos >= next && next_nanos_.compare_exchange_strong(next, nanos + absl::ToInt64Nanoseconds(period));
  if (passes) return held_back_.exchange(0, std::memory_order_relaxed);
  held_back_.fetch_add(1, std::memory_order_relaxed);
  return std::nullopt;
}

std::optional<int64_t> LogRateLimit::Pass(absl::Duration period) { return Pass(SystemClock().Monotonic(), period); }

}  // namespace fleetcast::telemetry
