#include "services/twin/export_line.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/model/etag.h"
#include "libs/model/registry_words.h"
#include "services/twin/device_settings.h"
#include "services/twin/twin_document.h"

namespace fleetcast::twin {
namespace {

std::string QuoteOrNull(const std::string& text) { return text.empty() ? std::string("null") : json::Quote(text); }

void AddAuthentication(const DeviceSettings& settings, const KeyTexts& keys, std::string& out) {
  absl::StrAppend(&out, ",\"authentication\":{\"symmetricKey\":{\"primaryKey\":", QuoteOrNull(keys.primary),
                  ",\"secondaryKey\":", QuoteOrNull(keys.secondary),
                  "},\"x509Thumbprint\":{\"primaryThumbprint\":", QuoteOrNull(settings.primary_thumbprint),
                  ",\"secondaryThumbprint\":");
  absl::StrAppend(&out, QuoteOrNull(settings.secondary_thumbprint), "},\"type\":\"",
                  Absl(WordOfNumber(kAuthenticationTypeWords, settings.authentication_type)), "\"}");
}

void AddDeviceMembers(const DeviceRow& row, std::string& out) {
  const DeviceSettings& settings = row.settings;
  absl::StrAppend(&out, ",\"capabilities\":{\"iotEdge\":", settings.is_iot_edge ? "true" : "false", "}");
  const std::string scope = settings.is_iot_edge ? EdgeScope(row) : settings.device_scope;
  if (!scope.empty()) absl::StrAppend(&out, ",\"deviceScope\":", json::Quote(scope));
  if (!settings.parent_scope.empty()) {
    absl::StrAppend(&out, ",\"parentScopes\":[", json::Quote(settings.parent_scope), "]");
  }
}

}  // namespace

absl::StatusOr<std::string> ExportLine(const ExportRow& row, const KeyVault* vault) {
  const DeviceSettings& settings = row.identity.settings;
  const bool is_device = settings.module_id.empty();
  KeyTexts keys;
  if (vault != nullptr) {
    FLEETCAST_ASSIGN_OR_RETURN(keys, vault->Open(settings.identity(), settings.keys));
  }
  std::string out = absl::StrCat("{\"id\":", json::Quote(settings.device_id));
  if (!is_device) {
    absl::StrAppend(&out, ",\"moduleId\":", json::Quote(settings.module_id));
    if (!settings.managed_by.empty()) absl::StrAppend(&out, ",\"managedBy\":", json::Quote(settings.managed_by));
  }
  absl::StrAppend(&out, ",\"eTag\":\"", DeviceEtag(static_cast<uint64_t>(row.identity.etag)),
                  "\",\"importMode\":\"createOrUpdate\",\"status\":\"", settings.is_disabled ? "disabled" : "enabled",
                  "\"");
  if (!settings.status_reason.empty()) absl::StrAppend(&out, ",\"statusReason\":", json::Quote(settings.status_reason));
  AddAuthentication(settings, keys, out);
  absl::StrAppend(&out, ",\"twinETag\":\"", TwinEtag(static_cast<uint64_t>(row.twin_etag)), "\",\"tags\":");
  json::CompactTo(row.tags, out);
  AppendProperties(row, out);
  if (is_device) AddDeviceMembers(row.identity, out);
  out.push_back('}');
  return out;
}

}  // namespace fleetcast::twin
