// The user name of a CONNECT: who connects, to which hub, with which software (device-mqtt.md 2.3).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fleetcast::mqtt {

// The parts of `host/device[/module][/[?]query]`. Ids stay byte for byte as they stand there.
struct Username {
  std::string host;
  std::string device_id;
  std::string module_id;     // Empty for a device.
  std::string api_version;   // Decoded `api-version`; may be missing (D-USR-1).
  std::string product_info;  // Decoded `DeviceClientType`.
  std::string model_id;      // Decoded `model-id`.
};

// The client id that belongs to a user name: `device` or `device/module` (2.2, D-CID-1).
std::string ClientIdOf(const Username& username);

inline constexpr size_t kUsernameBytesMax = 4096;  // Longer ones are refused (Q10).

// Reads a user name. Unknown parameters are ignored; of a repeated one the first counts. Nothing when the grammar does
// not fit: no host, no device, more than two ids, broken percent-encoding, too long (D-USR-4: CONNACK 4).
std::optional<Username> ParseUsername(std::string_view text);

// The user name that the SDKs send for a device or module; for clients of ours.
std::string FormatUsername(std::string_view host, std::string_view client_id, std::string_view api_version,
                           std::string_view product_info);

inline constexpr size_t kIdBytesMax = 128;  // Of a device or module id.

// True if `id` may be a device or module id that can be used over MQTT: 1 to 128 of the characters of 2.2 without
// '+' and '#' (D-CID-2).
bool IsUsableId(std::string_view id);

}  // namespace fleetcast::mqtt
