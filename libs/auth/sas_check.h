// Decides what a shared access signature is good for, on the service side and on the device side.
//
// Errors: UNAUTHENTICATED with SAS_MALFORMED, SAS_EXPIRED, SAS_WRONG_SIGNATURE (also for a policy that does not exist:
// the answer does not tell the two apart) or SAS_WRONG_RESOURCE; PERMISSION_DENIED with MISSING_RIGHT.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/auth/policies.h"
#include "libs/auth/sas_token.h"

namespace fleetcast::auth {

// How long after its expiry a token is still good (service-rest.md 3.2, device-mqtt.md 2.4).
inline constexpr absl::Duration kClockSkew = absl::Minutes(5);

// The names under which clients may know the hub. Immutable, thread-safe.
class HostNames {
 public:
  // Host names in any case; a port is ignored.
  explicit HostNames(const std::vector<std::string>& names);

  // Whether `host` (any case, port ignored) is one of them.
  bool Contains(std::string_view host) const;

 private:
  std::vector<std::string> names_;  // Lower case.
};

// When to check, and how much the clocks may differ.
struct CheckTime {
  absl::Time now;
  absl::Duration skew = kClockSkew;
};

// UNAUTHENTICATED (SAS_EXPIRED) when `at.now` is later than the token's expiry plus the skew.
absl::Status CheckExpiry(const SasToken& token, const CheckTime& at);

// Service side: whether `token` was made by a policy of `policies` that holds `right`, for one of `hosts` and for a
// path that is `path` or whole leading segments of it (`path`: decoded segments of the request).
absl::Status CheckServiceToken(const SasToken& token, const PolicySet& policies, const HostNames& hosts,
                               const std::vector<std::string>& path, Rights right, const CheckTime& at);

// Who wants to connect, and with which keys it is registered.
struct DeviceClaim {
  std::string_view device_id;
  std::string_view module_id;  // Empty for a device.
  const KeyPair* keys;         // Not null; empty keys when it is not registered for tokens.
};

// Device side: whether `token` lets `claim` connect: signed by one of its keys, or by a policy with DeviceConnect if it
// names one; for one of `hosts`, alone or with leading segments of devices/<id>[/modules/<id>]. Segments after those
// are tolerated. Whether the identity exists and is enabled is the caller's question.
absl::Status CheckDeviceToken(const SasToken& token, const DeviceClaim& claim, const PolicySet& policies,
                              const HostNames& hosts, const CheckTime& at);

}  // namespace fleetcast::auth
