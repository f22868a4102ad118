// Any text as a line of an import: it is refused for a stated reason that repeats no key, or it is a change of a good
// identity; and what it creates, exported, is a line that an import and another export give back letter by letter.
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/auth/keys.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/json/json.h"
#include "libs/json/twin_rules.h"
#include "libs/model/ids.h"
#include "libs/model/reasons.h"
#include "services/twin/export_line.h"
#include "services/twin/import_line.h"
#include "services/twin/restored_row.h"

namespace {

namespace json = fleetcast::json;
namespace reasons = fleetcast::reasons;
using fleetcast::Identity;
using fleetcast::twin::ImportLine;
using fleetcast::twin::KeyVault;
using fleetcast::twin::RegistryChange;
using Kind = RegistryChange::Kind;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);
constexpr int64_t kEtag = 5;

const KeyVault& Vault() {
  static const auto* const vault = new KeyVault(KeyVault::ForTests());
  return *vault;
}

// All keys that a line could have meant, wherever they stand in it.
void CollectKeys(const json::Value& value, std::vector<std::string>& keys) {
  if (value.is_string() && fleetcast::auth::Key::FromBase64(value.AsString()).ok()) keys.push_back(value.AsString());
  if (value.is_array()) {
    for (const json::Value& element : value.array()) CollectKeys(element, keys);
  }
  if (value.is_object()) {
    for (const json::Member& member : value.object()) CollectKeys(member.value, keys);
  }
}

void CheckRefusal(const ImportLine& read, std::string_view line) {
  const absl::Status& status = read.change.status();
  FLEETCAST_CHECK(status.code() == absl::StatusCode::kInvalidArgument && !status.message().empty());
  const std::string reason = fleetcast::GetReason(status);
  constexpr std::array kReasons = {json::kInvalidJson,           json::kJsonTooLarge,       json::kInvalidTwin,
                                   reasons::kInvalidValue,       reasons::kInvalidDeviceId, reasons::kInvalidModuleId,
                                   reasons::kInvalidDeviceScope, reasons::kInvalidKey};
  FLEETCAST_CHECK(std::find(kReasons.begin(), kReasons.end(), reason) != kReasons.end());
  const absl::StatusOr<json::Value> value = json::Parse(line, {.bytes_max = fleetcast::twin::kImportLineBytesMax});
  if (!value.ok()) return;
  std::vector<std::string> keys;
  CollectKeys(*value, keys);
  for (const std::string& key : keys) {
    // An id may look like a key, and is repeated.
    if (key == read.identity.device_id || key == read.identity.module_id) continue;
    FLEETCAST_CHECK(status.message().find(key) == absl::string_view::npos);
  }
}

std::string Export(const RegistryChange& change) {
  return *fleetcast::twin::ExportLine(RestoredRow(change, kEtag), &Vault());
}

void CheckChange(const ImportLine& read) {
  const RegistryChange& change = *read.change;
  const fleetcast::twin::DeviceSettings& settings = change.device.settings;
  FLEETCAST_CHECK(settings.device_id == read.identity.device_id && settings.module_id == read.identity.module_id);
  FLEETCAST_CHECK(fleetcast::ValidateDeviceId(settings.device_id).ok());
  FLEETCAST_CHECK(settings.module_id.empty() || fleetcast::ValidateModuleId(settings.module_id).ok());
  if (change.kind != Kind::kCreate && change.kind != Kind::kCreateOrUpdate) return;
  const std::string exported = Export(change);
  const ImportLine again = ReadImportLine(exported, Vault(), kNow + absl::Hours(1));
  FLEETCAST_CHECK(again.change.ok() && again.change->kind == Kind::kCreateOrUpdate);
  FLEETCAST_CHECK(Export(*again.change) == exported);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(bytes), size);
  const ImportLine read = ReadImportLine(line, Vault(), kNow);
  if (read.change.ok()) {
    CheckChange(read);
  } else {
    CheckRefusal(read, line);
  }
  return 0;
}
