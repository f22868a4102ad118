// The user name of a CONNECT: its parts are those of the text, and what is written from them reads the same. An id is
// usable or not as a second list of characters says.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/base/check.h"
#include "libs/mqtt/percent.h"
#include "libs/mqtt/username.h"

namespace {

namespace mqtt = fleetcast::mqtt;

void CheckParts(std::string_view text, const mqtt::Username& username) {
  FLEETCAST_CHECK(text.size() <= mqtt::kUsernameBytesMax);
  FLEETCAST_CHECK(!username.host.empty() && username.host.find('/') == std::string::npos);
  FLEETCAST_CHECK(!username.device_id.empty() && username.device_id.find('/') == std::string::npos);
  FLEETCAST_CHECK(username.module_id.find('/') == std::string::npos);
  std::string start = username.host + "/" + username.device_id;
  if (!username.module_id.empty()) start += "/" + username.module_id;
  FLEETCAST_CHECK(text.substr(0, start.size()) == start);
  FLEETCAST_CHECK(text.size() == start.size() || text[start.size()] == '/');
}

void CheckWrittenAgain(const mqtt::Username& username) {
  std::string version;
  mqtt::PercentEncode(username.api_version, &version);
  const std::string text = mqtt::FormatUsername(username.host, username.device_id, version, username.product_info);
  const std::optional<mqtt::Username> again = mqtt::ParseUsername(text);
  if (text.size() > mqtt::kUsernameBytesMax) {
    FLEETCAST_CHECK(!again.has_value());
    return;
  }
  FLEETCAST_CHECK(again.has_value() && again->module_id.empty());
  FLEETCAST_CHECK(again->host == username.host && again->device_id == username.device_id);
  FLEETCAST_CHECK(again->api_version == username.api_version && again->product_info == username.product_info);
}

void CheckId(std::string_view id) {
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:.%_*?!(),=@;$'";
  const bool is_usable = !id.empty() && id.size() <= 128 && id.find_first_not_of(kLetters) == std::string_view::npos;
  FLEETCAST_CHECK(mqtt::IsUsableId(id) == is_usable);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  CheckId(text);
  const std::optional<mqtt::Username> username = mqtt::ParseUsername(text);
  if (!username.has_value()) return 0;
  CheckParts(text, *username);
  CheckWrittenAgain(*username);
  CheckId(username->device_id);
  return 0;
}
