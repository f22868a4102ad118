#include "libs/auth/sas_check.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "libs/auth/base64.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"

namespace fleetcast::auth {
namespace {

std::string HostKey(std::string_view host) { return absl::AsciiStrToLower(Absl(host.substr(0, host.find(':')))); }

absl::Status Refused(std::string_view why, std::string_view message) {
  return MakeError(absl::StatusCode::kUnauthenticated, why, message);
}

// Whether the first `count` segments agree; the first is a literal of the API (devices, twins, jobs) and has no case.
bool SameSegments(const std::vector<std::string>& a, const std::vector<std::string>& b, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (i == 0 ? !absl::EqualsIgnoreCase(a[i], b[i]) : a[i] != b[i]) return false;
  }
  return true;
}

bool GrantsPath(const SasResource& resource, const HostNames& hosts, const std::vector<std::string>& path) {
  return hosts.Contains(resource.host) && resource.segments.size() <= path.size() &&
         SameSegments(resource.segments, path, resource.segments.size());
}

// Unlike a request's path, an identity's path may be followed by more in the token; but what was granted for a module
// is not granted for its device.
bool GrantsIdentity(const SasResource& resource, const HostNames& hosts, const std::vector<std::string>& path) {
  const size_t common = std::min(resource.segments.size(), path.size());
  const bool is_for_module = resource.segments.size() > path.size() && resource.segments[path.size()] == "modules";
  return hosts.Contains(resource.host) && !is_for_module && SameSegments(resource.segments, path, common);
}

absl::Status CheckPolicy(const SasToken& token, const PolicySet& policies, Rights right) {
  static const KeyPair* const kNobody = new KeyPair(KeyPair::Generate());
  const Policy* policy = policies.Find(token.policy);
  // An unknown policy costs the same time and gets the same answer as a wrong key.
  const bool is_signed = IsSignedBy(token, policy == nullptr ? *kNobody : policy->keys);
  if (policy == nullptr || !is_signed) return Refused(reasons::kSasWrongSignature, "the signature is not valid");
  if (!Includes(policy->rights, right)) {
    return MakeError(absl::StatusCode::kPermissionDenied, reasons::kMissingRight,
                     "the policy does not hold the right that this call needs");
  }
  return absl::OkStatus();
}

}  // namespace

HostNames::HostNames(const std::vector<std::string>& names) {
  for (const std::string& name : names) names_.push_back(HostKey(name));
}

bool HostNames::Contains(std::string_view host) const {
  return std::find(names_.begin(), names_.end(), HostKey(host)) != names_.end();
}

absl::Status CheckExpiry(const SasToken& token, const CheckTime& at) {
  if (at.now > token.expiry + at.skew) return Refused(reasons::kSasExpired, "the token has expired");
  return absl::OkStatus();
}

absl::Status CheckServiceToken(const SasToken& token, const PolicySet& policies, const HostNames& hosts,
                               const std::vector<std::string>& path, Rights right, const CheckTime& at) {
  FLEETCAST_RETURN_IF_ERROR(CheckPolicy(token, policies, right));
  FLEETCAST_RETURN_IF_ERROR(CheckExpiry(token, at));
  const std::optional<std::string> resource = PercentDecode(token.resource);
  if (!resource || !GrantsPath(SplitResource(*resource), hosts, path)) {
    return Refused(reasons::kSasWrongResource, "the token is for another resource");
  }
  return absl::OkStatus();
}

absl::Status CheckDeviceToken(const SasToken& token, const DeviceClaim& claim, const PolicySet& policies,
                              const HostNames& hosts, const CheckTime& at) {
  if (!token.policy.empty()) {
    FLEETCAST_RETURN_IF_ERROR(CheckPolicy(token, policies, Rights::kDeviceConnect));
  } else if (!IsSignedBy(token, *claim.keys)) {
    return Refused(reasons::kSasWrongSignature, "the signature is not valid");
  }
  FLEETCAST_RETURN_IF_ERROR(CheckExpiry(token, at));

  std::vector<std::string> path = {"devices", std::string(claim.device_id)};
  if (!claim.module_id.empty()) path.insert(path.end(), {"modules", std::string(claim.module_id)});
  const std::optional<std::string> decoded = PercentDecode(token.resource);
  if (decoded && GrantsIdentity(SplitResource(*decoded), hosts, path)) return absl::OkStatus();
  // The C SDK does not encode `sr`, and a device id may hold a '%'. A device's own key grants nothing but the device.
  if (token.policy.empty() && GrantsIdentity(SplitResource(token.resource), hosts, path)) return absl::OkStatus();
  return Refused(reasons::kSasWrongResource, "the token is for another resource");
}

}  // namespace fleetcast::auth
