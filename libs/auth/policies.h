// Hub policies: named keys with rights (service-rest.md 3.3), kept in one JSON file that every process that checks
// tokens reads.
//
//   {"policies":[{"name":"service","rights":["ServiceConnect"],"primaryKey":"base64","secondaryKey":"base64"}, …]}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/auth/keys.h"

namespace fleetcast::auth {

// Most policies that one hub has.
inline constexpr size_t kPoliciesMax = 16;

// A set of rights. RegistryWrite includes RegistryRead, as its bits say.
enum class Rights : uint8_t {
  kNone = 0,
  kRegistryRead = 1,
  kRegistryWrite = 3,
  kServiceConnect = 4,
  kDeviceConnect = 8,
  kAll = 15,
};

constexpr Rights operator|(Rights a, Rights b) { return Rights(uint8_t(a) | uint8_t(b)); }

// Whether `held` has every bit of `wanted`.
constexpr bool Includes(Rights held, Rights wanted) { return (uint8_t(held) & uint8_t(wanted)) == uint8_t(wanted); }

struct Policy {
  std::string name;  // Case-sensitive.
  Rights rights = Rights::kNone;
  KeyPair keys;
};

// The policies of the hub. Immutable after loading, thread-safe.
class PolicySet {
 public:
  // INVALID_ARGUMENT (INVALID_POLICY_FILE) when there are more than kPoliciesMax, or two of one name.
  static absl::StatusOr<PolicySet> Create(std::vector<Policy> policies);

  // From the JSON text above. Unknown members are ignored, unknown rights refused. INVALID_ARGUMENT
  // (INVALID_POLICY_FILE); the message names the member and never shows a key.
  static absl::StatusOr<PolicySet> FromJson(std::string_view text);

  // The policies of a new hub, with random keys: iothubowner, service, device, registryRead, registryReadWrite.
  static PolicySet GenerateDefault();

  // The JSON text that FromJson reads. Holds the keys.
  std::string ToJson() const;

  // The policy called `name`, or null.
  const Policy* Find(std::string_view name) const;

  const std::vector<Policy>& policies() const { return policies_; }

 private:
  explicit PolicySet(std::vector<Policy> policies) : policies_(std::move(policies)) {}

  std::vector<Policy> policies_;
};

}  // namespace fleetcast::auth
