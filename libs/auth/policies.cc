#include "libs/auth/policies.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/model/reasons.h"

namespace fleetcast::auth {
namespace {

constexpr std::array<std::pair<std::string_view, Rights>, 4> kRightNames = {{
    {"RegistryRead", Rights::kRegistryRead},
    {"RegistryWrite", Rights::kRegistryWrite},
    {"ServiceConnect", Rights::kServiceConnect},
    {"DeviceConnect", Rights::kDeviceConnect},
}};

absl::Status Invalid(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidPolicyFile, what);
}

absl::StatusOr<std::string> StringMember(const json::Value& object, std::string_view name) {
  const json::Value* member = object.Find(name);
  if (member == nullptr || !member->is_string() || member->AsString().empty()) {
    return Invalid(absl::StrCat("a policy lacks the text \"", Absl(name), "\""));
  }
  return member->AsString();
}

absl::StatusOr<Key> KeyMember(const json::Value& object, std::string_view policy, std::string_view name) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::string text, StringMember(object, name));
  absl::StatusOr<Key> key = Key::FromBase64(text);
  if (key.ok()) return key;
  return Invalid(absl::StrCat("policy ", Absl(policy), ": ", Absl(name), ": ", key.status().message()));
}

absl::StatusOr<Rights> ParseRights(const json::Value& object, std::string_view policy) {
  const json::Value* names = object.Find("rights");
  if (names == nullptr || !names->is_array()) {
    return Invalid(absl::StrCat("policy ", Absl(policy), " lacks the array \"rights\""));
  }
  Rights rights = Rights::kNone;
  for (const json::Value& name : names->array()) {
    const auto* known = std::find_if(kRightNames.begin(), kRightNames.end(), [&](const auto& entry) {
      return name.is_string() && name.AsString() == entry.first;
    });
    if (known == kRightNames.end()) {
      return Invalid(absl::StrCat("policy ", Absl(policy), " has an unknown right"));
    }
    rights = rights | known->second;
  }
  return rights;
}

absl::StatusOr<Policy> ParsePolicy(const json::Value& object) {
  if (!object.is_object()) return Invalid("an element of \"policies\" is no object");
  Policy policy;
  FLEETCAST_ASSIGN_OR_RETURN(policy.name, StringMember(object, "name"));
  FLEETCAST_ASSIGN_OR_RETURN(policy.rights, ParseRights(object, policy.name));
  FLEETCAST_ASSIGN_OR_RETURN(policy.keys.primary, KeyMember(object, policy.name, "primaryKey"));
  FLEETCAST_ASSIGN_OR_RETURN(policy.keys.secondary, KeyMember(object, policy.name, "secondaryKey"));
  return policy;
}

}  // namespace

absl::StatusOr<PolicySet> PolicySet::Create(std::vector<Policy> policies) {
  if (policies.size() > kPoliciesMax) return Invalid(absl::StrCat("more than ", kPoliciesMax, " policies"));
  for (size_t i = 0; i < policies.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (policies[i].name == policies[j].name) {
        return Invalid(absl::StrCat("two policies are called ", policies[i].name));
      }
    }
  }
  return PolicySet(std::move(policies));
}

absl::StatusOr<PolicySet> PolicySet::FromJson(std::string_view text) {
  const absl::StatusOr<json::Value> document = json::Parse(text);
  // The parser's message could quote what it read: keys.
  if (!document.ok()) return Invalid("the policy file is not JSON");
  const json::Value* list = document->Find("policies");
  if (list == nullptr || !list->is_array()) return Invalid("the policy file lacks the array \"policies\"");
  std::vector<Policy> policies;
  for (const json::Value& element : list->array()) {
    FLEETCAST_ASSIGN_OR_RETURN(Policy policy, ParsePolicy(element));
    policies.push_back(std::move(policy));
  }
  return Create(std::move(policies));
}

PolicySet PolicySet::GenerateDefault() {
  return PolicySet({{"iothubowner", Rights::kAll, KeyPair::Generate()},
                    {"service", Rights::kServiceConnect, KeyPair::Generate()},
                    {"device", Rights::kDeviceConnect, KeyPair::Generate()},
                    {"registryRead", Rights::kRegistryRead, KeyPair::Generate()},
                    {"registryReadWrite", Rights::kRegistryWrite, KeyPair::Generate()}});
}

std::string PolicySet::ToJson() const {
  json::Array list;
  for (const Policy& policy : policies_) {
    json::Array rights;
    for (const auto& [name, right] : kRightNames) {
      if (Includes(policy.rights, right)) rights.push_back(json::Value::String(name));
    }
    list.push_back(json::Value::MakeObject({
        {"name", json::Value::String(policy.name)},
        {"rights", json::Value::MakeArray(std::move(rights))},
        {"primaryKey", json::Value::String(policy.keys.primary.ToBase64())},
        {"secondaryKey", json::Value::String(policy.keys.secondary.ToBase64())},
    }));
  }
  return json::Print(json::Value::MakeObject({{"policies", json::Value::MakeArray(std::move(list))}}));
}

const Policy* PolicySet::Find(std::string_view name) const {
  const auto found =
      std::find_if(policies_.begin(), policies_.end(), [&](const Policy& policy) { return policy.name == name; });
  return found == policies_.end() ? nullptr : &*found;
}

}  // namespace fleetcast::auth
