#include "tools/fleetsim/packet_log.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"

namespace fleetcast::fleetsim {

absl::StatusOr<PacketLog> PacketLog::Open(const std::string& path) {
  FLEETCAST_ASSIGN_OR_RETURN(LineFile file, LineFile::Open("--log-packets", path));
  return PacketLog(std::move(file));
}

bool PacketLog::Begin(const Place& place, std::string_view event) {
  if (!file_.is_open()) return false;
  const int64_t micros = absl::ToUnixMicros(place.now);
  absl::StrAppendFormat(&file_.buffer(), "{\"t\":%d.%06d,\"d\":%s,\"c\":%d,\"e\":\"%s\"", micros / 1'000'000,
                        micros % 1'000'000, json::Quote(place.device), place.connection, Absl(event));
  return true;
}

void PacketLog::Text(std::string_view name, std::string_view value) {
  absl::StrAppend(&file_.buffer(), ",\"", Absl(name), "\":", json::Quote(value));
}

void PacketLog::Number(std::string_view name, int64_t value) {
  absl::StrAppend(&file_.buffer(), ",\"", Absl(name), "\":", value);
}

void PacketLog::End() { absl::StrAppend(&file_.buffer(), "}\n"); }

void PacketLog::Connection(const Place& place, std::string_view event) {
  if (Begin(place, event)) End();
}

void PacketLog::Call(const Place& place, std::string_view method, std::string_view request_id,
                     std::string_view payload) {
  if (!Begin(place, "call")) return;
  Text("method", method);
  Text("rid", request_id);
  Text("payload", payload);
  End();
}

void PacketLog::Answer(const Place& place, std::string_view request_id, int status, std::string_view payload) {
  if (!Begin(place, "answer")) return;
  Text("rid", request_id);
  Number("status", status);
  Text("payload", payload);
  End();
}

void PacketLog::Desired(const Place& place, int64_t version, std::string_view patch) {
  if (!Begin(place, "desired")) return;
  Number("version", version);
  Text("patch", patch);
  End();
}

void PacketLog::Twin(const Place& place, std::string_view document) {
  if (!Begin(place, "twin")) return;
  Text("document", document);
  End();
}

}  // namespace fleetcast::fleetsim
