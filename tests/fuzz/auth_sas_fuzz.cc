// A shared access signature as text. Reading it never fails in another way than SAS_MALFORMED, and never shows it. No
// text opens a door unless its `sr` and `se`, as they stand there, were signed with the device's key, `se` is not over,
// and `sr` names the hub and the device. The placeholder `sig=@` stands for the right signature of what else is there.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "libs/auth/base64.h"
#include "libs/auth/sas_check.h"
#include "libs/auth/sas_token.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"

namespace {

namespace auth = fleetcast::auth;
using fleetcast::Absl;

constexpr std::string_view kHost = "hub.test.local";
constexpr std::string_view kDevice = "dev-1";
constexpr int64_t kNow = 1'800'000'000;

// Of 32 bytes 0x6b, as in the vectors of device-mqtt.md 2.4.
const auth::KeyPair& DeviceKeys() {
  static const auto* const keys =
      new auth::KeyPair{*auth::Key::FromBase64("a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="), {}};
  return *keys;
}

// The first field `name` of the token's text, read the plain way.
std::string_view Field(std::string_view text, std::string_view name) {
  for (const absl::string_view field : absl::StrSplit(Absl(text), '&')) {
    if (absl::StartsWithIgnoreCase(field, Absl(name))) return fleetcast::Std(field).substr(name.size());
  }
  return {};
}

constexpr std::string_view kScheme = "SharedAccessSignature ";

// The signature that the device's key makes of the token's text.
std::string RightSignature(std::string_view text) {
  const std::string_view fields = text.substr(std::min(text.size(), kScheme.size()));
  return DeviceKeys().primary.Sign(std::string(Field(fields, "sr=")) + "\n" + std::string(Field(fields, "se=")));
}

// `input` with the placeholder replaced.
std::string Signed(std::string_view input) {
  std::string text(input);
  const size_t at = text.find("sig=@");
  if (at == std::string::npos) return text;
  const std::string signature = auth::PercentEncode(auth::Base64Encode(RightSignature(text)));
  return text.replace(at + 4, 1, signature);
}

// Whether `resource` is the hub, its devices, the device, or goes on below it but not to a module.
bool IsForDevice(std::string resource) {
  for (const std::string_view scheme : {"https://", "sb://"}) {
    if (absl::StartsWithIgnoreCase(resource, Absl(scheme))) {
      resource.erase(0, scheme.size());
      break;
    }
  }
  std::vector<std::string> parts = absl::StrSplit(resource, '/', absl::SkipEmpty());
  if (!resource.empty() && resource[0] == '/') return false;
  if (parts.empty()) return false;
  const std::string host = parts[0].substr(0, parts[0].find(':'));
  if (!absl::EqualsIgnoreCase(host, Absl(kHost))) return false;
  if (parts.size() > 1 && !absl::EqualsIgnoreCase(parts[1], "devices")) return false;
  if (parts.size() > 2 && parts[2] != kDevice) return false;
  return parts.size() <= 3 || parts[3] != "modules";
}

void CheckAccepted(const auth::SasToken& token, std::string_view text) {
  FLEETCAST_CHECK(token.signature == RightSignature(text) && token.policy.empty());
  FLEETCAST_CHECK(kNow <= absl::ToUnixSeconds(token.expiry) + 300);
  const std::optional<std::string> decoded = auth::PercentDecode(token.resource);
  FLEETCAST_CHECK((decoded && IsForDevice(*decoded)) || IsForDevice(token.resource));
}

void CheckMade(std::string_view resource) {
  const absl::Time expiry = absl::FromUnixSeconds(kNow);
  const std::string made = auth::MakeSasToken(resource, DeviceKeys().primary, expiry, resource.substr(0, 8));
  const absl::StatusOr<auth::SasToken> token = auth::ParseSasToken(made);
  if (resource.empty() || made.size() > auth::kSasTokenBytesMax) {
    FLEETCAST_CHECK(!token.ok());
    return;
  }
  FLEETCAST_CHECK(token.ok() && auth::IsSignedBy(*token, DeviceKeys()));
  FLEETCAST_CHECK(auth::PercentDecode(token->resource) == resource && token->policy == resource.substr(0, 8));
  FLEETCAST_CHECK(token->expiry == expiry);
}

// That the message does not repeat the signature. Words of ours that a signature happens to be do not count: they stand
// there with another signature too.
void CheckNotShown(const std::string& text, const absl::Status& status) {
  const std::string_view signature = Field(text, "sig=");
  if (signature.size() < 8 || !absl::StrContains(status.message(), Absl(signature))) return;
  std::string other = text;
  other.replace(static_cast<size_t>(signature.data() - text.data()), signature.size(), signature.size(), 'A');
  FLEETCAST_CHECK(auth::ParseSasToken(other).status() == status);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const auth::HostNames* const hosts = new auth::HostNames({std::string(kHost)});
  static const auth::PolicySet* const policies = new auth::PolicySet(*auth::PolicySet::Create({}));
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  CheckMade(input);
  const std::string text = Signed(input);
  const absl::StatusOr<auth::SasToken> token = auth::ParseSasToken(text);
  if (!token.ok()) {
    FLEETCAST_CHECK(token.status().code() == absl::StatusCode::kUnauthenticated);
    FLEETCAST_CHECK(fleetcast::GetReason(token.status()) == fleetcast::reasons::kSasMalformed);
    CheckNotShown(text, token.status());
    return 0;
  }
  FLEETCAST_CHECK(token->signature.size() == 32 && !token->resource.empty());
  FLEETCAST_CHECK(absl::StartsWith(token->signed_text, token->resource + "\n"));
  const absl::Status status = auth::CheckDeviceToken(*token, {kDevice, "", &DeviceKeys()}, *policies, *hosts,
                                                     {.now = absl::FromUnixSeconds(kNow)});
  if (status.ok()) CheckAccepted(*token, text);
  return 0;
}
