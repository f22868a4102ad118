#include "tools/fleetsim/report.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"

namespace fleetcast::fleetsim {

std::string FormatEvent(std::string_view event, absl::Duration since_start, const Figures& figures) {
  json::Value object = json::Value::MakeObject();
  object.Set("event", json::Value::String(event));
  object.Set("seconds", json::Value::NumberLiteral(absl::StrFormat("%.3f", absl::ToDoubleSeconds(since_start))));
  const auto set = [&object](std::string_view name, int64_t value) { object.Set(name, json::Value::Int(value)); };
  set("devices", figures.devices);
  set("connected", figures.connected);
  set("connecting", figures.connecting);
  set("connects", figures.connects);
  set("disconnects", figures.disconnects);
  set("refused", figures.refused);
  set("connectErrors", figures.connect_errors);
  set("calls", figures.calls);
  set("answered", figures.answered);
  set("failed", figures.failed);
  set("ignored", figures.ignored);
  set("desired", figures.desired);
  set("reported", figures.reported);
  return json::Print(object);
}

void PrintEvent(std::string_view event, absl::Duration since_start, const Figures& figures) {
  std::printf("%s\n", FormatEvent(event, since_start, figures).c_str());
  std::fflush(stdout);
}

absl::StatusOr<CallLog> CallLog::Open(const std::string& path) {
  if (path.empty()) return CallLog(-1);
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return absl::InvalidArgumentError(absl::StrCat("--log-calls ", path, ": ", std::strerror(errno)));
  return CallLog(fd);
}

CallLog::~CallLog() {
  Flush();
  if (fd_ >= 0) close(fd_);
}

void CallLog::Add(std::string_view device, std::string_view method, std::string_view request_id, absl::Time now) {
  if (fd_ < 0) return;
  absl::StrAppend(&buffer_, "{\"device\":", json::Quote(device), ",\"name\":", json::Quote(method));
  absl::StrAppend(&buffer_, ",\"rid\":", json::Quote(request_id), ",\"time\":\"",
                  absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", now, absl::UTCTimeZone()), "\"}\n");
}

void CallLog::Flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t count = write(fd_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;  // A full disk must not stop the fleet.
    rest.remove_prefix(static_cast<size_t>(count));
  }
  buffer_.clear();
}

}  // namespace fleetcast::fleetsim
