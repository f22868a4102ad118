#include "libs/model/ids.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"

namespace fleetcast {
namespace {

constexpr std::string_view kAlphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kDevicePunctuation = "-:.+%_#*?!(),=@;$'";
constexpr std::string_view kJobPunctuation = "-_.'";
constexpr std::string_view kMethodForbidden = "$()<>@,;:\\\"/[]?={}+# ";

// What a name of one kind looks like.
struct NameRule {
  std::string_view kind;    // "device id"
  std::string_view reason;  // Of the error.
  size_t bytes_max;
};

absl::Status Wrong(const NameRule& rule, std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, rule.reason,
                   absl::StrCat("the ", Absl(rule.kind), " ", Absl(what)));
}

absl::Status ValidateLength(const NameRule& rule, std::string_view name) {
  if (name.empty()) return Wrong(rule, "is empty");
  if (name.size() > rule.bytes_max) return Wrong(rule, absl::StrCat("is longer than ", rule.bytes_max, " characters"));
  return absl::OkStatus();
}

absl::Status ValidateAlphabet(const NameRule& rule, std::string_view name, std::string_view punctuation) {
  FLEETCAST_RETURN_IF_ERROR(ValidateLength(rule, name));
  for (const char c : name) {
    if (kAlphanumeric.find(c) == std::string_view::npos && punctuation.find(c) == std::string_view::npos) {
      return Wrong(rule, absl::StrCat("may hold only letters, digits and ", Absl(punctuation)));
    }
  }
  return absl::OkStatus();
}

constexpr NameRule kDeviceRule{"device id", reasons::kInvalidDeviceId, kDeviceIdBytesMax};
constexpr NameRule kModuleRule{"module id", reasons::kInvalidModuleId, kModuleIdBytesMax};
constexpr NameRule kJobRule{"job id", reasons::kInvalidJobId, kJobIdBytesMax};
constexpr NameRule kMethodRule{"method name", reasons::kInvalidMethod, kMethodNameBytesMax};

}  // namespace

absl::Status ValidateDeviceId(std::string_view id) { return ValidateAlphabet(kDeviceRule, id, kDevicePunctuation); }

absl::Status ValidateNewDeviceId(std::string_view id) {
  FLEETCAST_RETURN_IF_ERROR(ValidateDeviceId(id));
  if (id.find_first_of("+#") != std::string_view::npos) {
    return Wrong(kDeviceRule, "may not hold + or #, which MQTT topic names cannot carry");
  }
  return absl::OkStatus();
}

absl::Status ValidateModuleId(std::string_view id) { return ValidateAlphabet(kModuleRule, id, kDevicePunctuation); }

absl::Status ValidateJobId(std::string_view id) {
  FLEETCAST_RETURN_IF_ERROR(ValidateAlphabet(kJobRule, id, kJobPunctuation));
  if (id == "query") return Wrong(kJobRule, "may not be the word query");
  return absl::OkStatus();
}

absl::Status ValidateMethodName(std::string_view name) {
  FLEETCAST_RETURN_IF_ERROR(ValidateLength(kMethodRule, name));
  for (const char c : name) {
    if (c <= ' ' || c > '~' || kMethodForbidden.find(c) != std::string_view::npos) {
      return Wrong(kMethodRule, absl::StrCat("may hold only printable US-ASCII without ", Absl(kMethodForbidden)));
    }
  }
  return absl::OkStatus();
}

std::string Identity::ToString() const {
  return module_id.empty() ? device_id : absl::StrCat(device_id, "/", module_id);
}

absl::StatusOr<Identity> ParseIdentity(std::string_view text) {
  const size_t slash = text.find('/');
  Identity identity{std::string(text.substr(0, slash)), ""};
  FLEETCAST_RETURN_IF_ERROR(ValidateDeviceId(identity.device_id));
  if (slash != std::string_view::npos) {
    identity.module_id = text.substr(slash + 1);
    FLEETCAST_RETURN_IF_ERROR(ValidateModuleId(identity.module_id));
  }
  return identity;
}

}  // namespace fleetcast
