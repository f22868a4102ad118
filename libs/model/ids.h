// Which names are allowed. Checked where they enter the system; inside they are taken as good.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fleetcast {

inline constexpr size_t kDeviceIdBytesMax = 128;
inline constexpr size_t kModuleIdBytesMax = 128;
inline constexpr size_t kJobIdBytesMax = 64;
inline constexpr size_t kMethodNameBytesMax = 100;

// All of these: OK, or INVALID_ARGUMENT with a message that names the rule. Case-sensitive; compared as bytes.

// 1..128 of A-Z a-z 0-9 - : . + % _ # * ? ! ( ) , = @ ; $ ' (service-rest 11.1, device-mqtt 2.2).
absl::Status ValidateDeviceId(std::string_view id);
// The same without + and #, which cannot stand in MQTT topic names (D-CID-2): for ids that are about to be created.
absl::Status ValidateNewDeviceId(std::string_view id);
// The rule of device ids.
absl::Status ValidateModuleId(std::string_view id);
// 1..64 of A-Z a-z 0-9 - _ . ' and not the word `query` (service-rest 5.1).
absl::Status ValidateJobId(std::string_view id);
// 1..100 of printable US-ASCII without $ ( ) < > @ , ; : \ " / [ ] ? = { } and space (device-mqtt 4.3), and
// without + and #, which mean something in MQTT filters (reliability R9).
absl::Status ValidateMethodName(std::string_view name);

// A device or one of its modules. Its text, `device` or `device/module`, is the form of an MQTT client id and the one
// name of an identity between services, in Redis, in logs and in the outbox: no id holds a slash.
struct Identity {
  std::string device_id;
  std::string module_id;  // Empty: the device itself.

  std::string ToString() const;
  friend auto operator<=>(const Identity&, const Identity&) = default;
};

// Parses the text form; INVALID_ARGUMENT when a part breaks its rule.
absl::StatusOr<Identity> ParseIdentity(std::string_view text);

// Whether the text of an identity is that of a module.
inline bool IsModuleName(std::string_view text) { return text.find('/') != std::string_view::npos; }

}  // namespace fleetcast
