// Shared access signatures, as text: what service clients put into `Authorization` and devices into the MQTT password
// (service-rest.md 3.2, device-mqtt.md 2.4). Whether a token is good for something is decided in sas_check.h.
//
//   SharedAccessSignature sr=<resource>&sig=<signature>&se=<expiry>[&skn=<policy>]
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/auth/keys.h"

namespace fleetcast::auth {

// Longest token that is looked at; the longest that a real client makes is under 1 KiB.
inline constexpr size_t kSasTokenBytesMax = 4096;

// A parsed token: well-formed, and nothing more than that.
struct SasToken {
  std::string signed_text;  // `sr` + "\n" + `se`, both exactly as received: what the signature covers.
  std::string resource;     // `sr` as received.
  std::string signature;    // 32 bytes.
  absl::Time expiry;
  std::string policy;  // Percent-decoded `skn`; empty for a device's own token.
};

// Reads a token. Fields in any order, names in any case, unknown fields ignored. UNAUTHENTICATED (SAS_MALFORMED) for
// another scheme, a missing, duplicated or undecodable field; the message never shows the token.
absl::StatusOr<SasToken> ParseSasToken(std::string_view text);

// Whether one of `keys` made the signature. Takes the same time whichever fails.
bool IsSignedBy(const SasToken& token, const KeyPair& keys);

// What a token is for: a host and a path below it.
struct SasResource {
  std::string host;                   // Lower case, without scheme and port.
  std::vector<std::string> segments;  // Of the path; empty segments (a trailing slash) dropped.
};

// Takes a resource apart: `[https://|sb://]host[:port][/path]`, each octet as it stands.
SasResource SplitResource(std::string_view resource);

// Makes a token for `resource`, which is percent-encoded first, good until `expiry` (whole seconds); for tests, tools
// and the simulator.
std::string MakeSasToken(std::string_view resource, const Key& key, absl::Time expiry, std::string_view policy = "");

}  // namespace fleetcast::auth
