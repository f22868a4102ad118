#include "services/device_connection/admission.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "libs/auth/keys.h"
#include "libs/auth/sas_token.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/ids.h"
#include "libs/model/reasons.h"

namespace fleetcast::device_connection {
namespace {

using internal::v1::DeviceRecord;
using internal::v1::OpenSession;
using internal::v1::OpenSessionResult;

Admission Refused(OpenSessionResult::Code code, const char* why) { return {.code = code, .why = why}; }

Admission NotAuthorized(const char* why) { return Refused(OpenSessionResult::CODE_NOT_AUTHORIZED, why); }

Admission Accepted(CredentialId credential = 0, int64_t token_expiry_unix_seconds = 0) {
  return {.code = OpenSessionResult::CODE_ACCEPTED,
          .token_expiry_unix_seconds = token_expiry_unix_seconds,
          .credential = credential,
          .why = "accepted"};
}

bool IsThumbprintOf(const std::string& registered, const OpenSession& open) {
  if (registered.empty()) return false;
  return absl::EqualsIgnoreCase(registered, open.certificate_sha1()) ||
         absl::EqualsIgnoreCase(registered, open.certificate_sha256());
}

// An edge that says nothing of dates leaves them alone.
bool IsValidAt(const OpenSession& open, absl::Time now) {
  const int64_t seconds = absl::ToUnixSeconds(now);
  return (open.certificate_valid_from_unix_seconds() == 0 || open.certificate_valid_from_unix_seconds() <= seconds) &&
         (open.certificate_valid_until_unix_seconds() == 0 || seconds <= open.certificate_valid_until_unix_seconds());
}

// `record` is of a type that certificates open.
Admission CheckCertificate(const OpenSession& open, const DeviceRecord& record, const AdmissionRules& rules,
                           absl::Time now) {
  CredentialId credential = 0;
  if (record.authentication_type() == DeviceRecord::AUTHENTICATION_TYPE_CERTIFICATE_AUTHORITY) {
    if (!open.certificate_is_signed()) return NotAuthorized("certificate_authority");
    // Byte for byte; of a module "device/module".
    if (open.certificate_common_name() != record.device_id()) return NotAuthorized("common_name");
    credential = AuthorityCredential(record);
  } else if (IsThumbprintOf(record.primary_thumbprint(), open)) {
    credential = ThumbprintCredential(record, record.primary_thumbprint());
  } else if (IsThumbprintOf(record.secondary_thumbprint(), open)) {
    credential = ThumbprintCredential(record, record.secondary_thumbprint());
  } else {
    return NotAuthorized("certificate");
  }
  if (rules.checks_certificate_dates && !IsValidAt(open, now)) return NotAuthorized("certificate_dates");
  return Accepted(credential);
}

// Keys that do not decode sign nothing: the registry refuses them, so this is only how damage shows.
auth::Key StoredKey(const std::string& base64) {
  return base64.empty() ? auth::Key() : auth::Key::FromBase64(base64).value_or(auth::Key());
}

// Device and module of the text of an identity; the latter may be empty.
std::pair<std::string_view, std::string_view> SplitName(std::string_view name) {
  const size_t slash = name.find('/');
  if (slash == std::string_view::npos) return {name, ""};
  return {name.substr(0, slash), name.substr(slash + 1)};
}

const char* WhyRefused(const absl::Status& status) {
  const std::string reason = GetReason(status);
  if (reason == reasons::kSasExpired) return "expired";
  if (reason == reasons::kSasWrongResource) return "resource";
  if (reason == reasons::kMissingRight) return "right";
  return "signature";
}

// What signed a token that is good.
CredentialId CredentialOf(const auth::SasToken& token, const auth::KeyPair& keys, const DeviceRecord& record) {
  if (!token.policy.empty()) return PolicyCredential(record);
  const bool is_primary = auth::IsSignedBy(token, {keys.primary, auth::Key()});
  return KeyCredential(record, is_primary ? record.primary_key() : record.secondary_key());
}

Admission CheckToken(const OpenSession& open, const DeviceRecord* record, const AdmissionRules& rules, absl::Time now) {
  const absl::StatusOr<auth::SasToken> token = auth::ParseSasToken(open.password());
  if (!token.ok()) return Refused(OpenSessionResult::CODE_BAD_USER_OR_PASSWORD, "malformed_token");
  if (record == nullptr) return NotAuthorized("unknown_device");
  const auth::KeyPair keys = {StoredKey(record->primary_key()), StoredKey(record->secondary_key())};
  const auto [device_id, module_id] = SplitName(open.device_id());
  const auth::DeviceClaim claim = {.device_id = device_id, .module_id = module_id, .keys = &keys};
  const absl::Status allowed =
      auth::CheckDeviceToken(*token, claim, rules.policies, rules.hosts, {.now = now, .skew = auth::kClockSkew});
  if (!allowed.ok()) return NotAuthorized(WhyRefused(allowed));
  return Accepted(CredentialOf(*token, keys, *record), absl::ToUnixSeconds(token->expiry));
}

}  // namespace

Admission CheckRequest(const OpenSession& open, const AdmissionRules& rules) {
  const bool is_usable =
      ParseIdentity(open.device_id()).ok() && open.device_id().find_first_of("+#") == std::string::npos;
  if (open.client_id() != open.device_id() || !is_usable) {
    return Refused(OpenSessionResult::CODE_BAD_IDENTIFIER, "identifier");  // D-CID-1, -2
  }
  if (!rules.hosts.Contains(open.host())) return NotAuthorized("host");
  return Accepted();
}

Admission CheckDevice(const OpenSession& open, const DeviceRecord* record, const AdmissionRules& rules,
                      absl::Time now) {
  const bool has_certificate = !open.certificate_sha1().empty() || !open.certificate_sha256().empty();
  const bool by_token = record == nullptr || record->authentication_type() == DeviceRecord::AUTHENTICATION_TYPE_SAS ||
                        record->authentication_type() == DeviceRecord::AUTHENTICATION_TYPE_UNSPECIFIED;
  Admission admission;
  if (!by_token) {
    admission = has_certificate ? CheckCertificate(open, *record, rules, now) : NotAuthorized("certificate");
  } else if (open.password().empty()) {
    admission = has_certificate ? NotAuthorized("authentication_type")
                                : Refused(OpenSessionResult::CODE_BAD_USER_OR_PASSWORD, "no_password");
  } else {
    admission = CheckToken(open, record, rules, now);
  }
  // Only who proved to be the device learns that it is disabled.
  if (admission.code == OpenSessionResult::CODE_ACCEPTED && record->disabled()) {
    return Refused(OpenSessionResult::CODE_DEVICE_DISABLED, "disabled");
  }
  return admission;
}

}  // namespace fleetcast::device_connection
