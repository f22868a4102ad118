#include "tools/fleetsim/report.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status_macros.h"
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
  set("resumed", figures.resumed);
  set("disconnects", figures.disconnects);
  set("refused", figures.refused);
  set("refusedForGood", figures.refused_for_good);
  set("connectErrors", figures.connect_errors);
  set("calls", figures.calls);
  set("answered", figures.answered);
  set("failed", figures.failed);
  set("ignored", figures.ignored);
  set("desired", figures.desired);
  set("reported", figures.reported);
  set("reportsStored", figures.reports_stored);
  set("reportsRefused", figures.reports_refused);
  return json::Print(object);
}

void PrintEvent(std::string_view event, absl::Duration since_start, const Figures& figures) {
  std::printf("%s\n", FormatEvent(event, since_start, figures).c_str());
  std::fflush(stdout);
}

absl::StatusOr<CallLog> CallLog::Open(const std::string& path) {
  FLEETCAST_ASSIGN_OR_RETURN(LineFile file, LineFile::Open("--log-calls", path));
  return CallLog(std::move(file));
}

void CallLog::Add(std::string_view device, std::string_view method, std::string_view request_id, absl::Time now) {
  if (!file_.is_open()) return;
  absl::StrAppend(&file_.buffer(), "{\"device\":", json::Quote(device), ",\"name\":", json::Quote(method),
                  ",\"rid\":", json::Quote(request_id), ",\"time\":\"",
                  absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", now, absl::UTCTimeZone()), "\"}\n");
}

}  // namespace fleetcast::fleetsim
