// The words of identities on the wire and in exports (service-rest.md 11.1, 11.5), by the numbers that registry.v1 has
// for them. Pure.
#pragma once

#include <span>
#include <string_view>

namespace fleetcast {

using RegistryWords = std::span<const std::string_view>;

// Of registry.v1.Device.Status.
inline constexpr std::string_view kStatusWords[] = {"", "enabled", "disabled"};
// Of registry.v1.Device.AuthenticationType.
inline constexpr std::string_view kAuthenticationTypeWords[] = {"", "sas", "selfSigned", "certificateAuthority"};
// Of registry.v1.DeviceChange.Kind.
inline constexpr std::string_view kImportModeWords[] = {"",
                                                        "create",
                                                        "update",
                                                        "updateIfMatchETag",
                                                        "delete",
                                                        "deleteIfMatchETag",
                                                        "updateTwin",
                                                        "updateTwinIfMatchETag",
                                                        "createOrUpdate",
                                                        "createOrUpdateIfMatchETag"};

// The number of `text` in any letter case; 0 when it is none of `words`.
int NumberOfWord(RegistryWords words, std::string_view text);

// The word of `number`; that of 1 when there is none.
std::string_view WordOfNumber(RegistryWords words, int number);

}  // namespace fleetcast
