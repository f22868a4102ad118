#include "services/twin/twin_document.h"

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/json/twin_rules.h"
#include "libs/model/etag.h"
#include "libs/model/registry_words.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {
namespace {

constexpr std::string_view kNever = "0001-01-01T00:00:00Z";
// About what a document has besides its sections.
constexpr size_t kFrameBytes = 1024;

std::string QuoteOrNull(const std::optional<std::string>& text) {
  return text.has_value() ? json::Quote(*text) : std::string("null");
}

}  // namespace

std::string WireTime(const std::optional<absl::Time>& time) {
  return time.has_value() ? json::TwinTime(*time) : std::string(kNever);
}

std::string TwinDocument(const TwinRow& row) {
  const bool is_module = !row.module_id.empty();
  std::string out;
  out.reserve(kFrameBytes + row.tags.size() + row.desired.size() + row.reported.size() + row.desired_metadata.size() +
              row.reported_metadata.size());
  absl::StrAppend(&out, "{\"deviceId\":", json::Quote(row.device_id));
  if (is_module) absl::StrAppend(&out, ",\"moduleId\":", json::Quote(row.module_id));
  absl::StrAppend(&out, ",\"etag\":\"", TwinEtag(static_cast<uint64_t>(row.etag)), "\",\"deviceEtag\":\"",
                  DeviceEtag(static_cast<uint64_t>(row.device_etag)), "\",\"status\":\"",
                  row.is_disabled ? "disabled" : "enabled", "\"");
  if (row.status_reason.has_value()) absl::StrAppend(&out, ",\"statusReason\":", json::Quote(*row.status_reason));
  absl::StrAppend(&out, ",\"statusUpdateTime\":\"", WireTime(row.status_update_time), "\",\"connectionState\":\"",
                  row.is_connected ? "Connected" : "Disconnected", "\",\"lastActivityTime\":\"",
                  WireTime(row.last_activity_time), "\",\"cloudToDeviceMessageCount\":0,\"authenticationType\":\"",
                  Absl(WordOfNumber(kAuthenticationTypeWords, row.authentication_type)), "\"");
  absl::StrAppend(&out, ",\"x509Thumbprint\":{\"primaryThumbprint\":", QuoteOrNull(row.primary_thumbprint),
                  ",\"secondaryThumbprint\":", QuoteOrNull(row.secondary_thumbprint),
                  "},\"modelId\":\"\",\"version\":", row.version);
  if (row.tags != "{}") {
    out.append(",\"tags\":");
    json::CompactTo(row.tags, out);
  }
  AppendProperties(row, out);
  if (!is_module) {
    absl::StrAppend(&out, ",\"capabilities\":{\"iotEdge\":", row.is_iot_edge ? "true" : "false", "}");
  }
  if (row.device_scope) absl::StrAppend(&out, ",\"deviceScope\":", json::Quote(*row.device_scope));
  if (row.parent_scope) absl::StrAppend(&out, ",\"parentScopes\":[", json::Quote(*row.parent_scope), "]");
  out.push_back('}');
  return out;
}

void AppendSection(std::string_view document, std::string_view metadata, int64_t version, std::string& out) {
  json::CompactTo(document, out);
  out.pop_back();
  if (out.back() != '{') out.push_back(',');
  out.append("\"$metadata\":");
  json::CompactTo(metadata, out);
  absl::StrAppend(&out, ",\"$version\":", version, "}");
}

std::string DeviceTwinDocument(std::string_view desired, int64_t desired_version, std::string_view reported,
                               int64_t reported_version) {
  return absl::StrCat("{\"desired\":", WithVersion(json::Compact(desired), desired_version),
                      ",\"reported\":", WithVersion(json::Compact(reported), reported_version), "}");
}

}  // namespace fleetcast::twin
