// Certificates for development: own certificate authorities and a server certificate of each.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace fleetcast::dev {

// Files in the certificate directory.
inline constexpr char kCaCertificateFile[] = "ca.pem";  // What clients trust: both authorities, P-256 first.
inline constexpr char kServerCertificateFile[] = "server.pem";
inline constexpr char kServerKeyFile[] = "server.key";
inline constexpr char kRsaServerCertificateFile[] = "server-rsa.pem";
inline constexpr char kRsaServerKeyFile[] = "server-rsa.key";
inline constexpr char kClientAuthoritiesFile[] = "client-ca.pem";

// Makes sure that `directory` holds two authorities (kept as long as they live, so that clients may trust them for
// good), one with a P-256 and one with an RSA-2048 key, and of each a server certificate with such a key for all of
// `names` (host names or numeric addresses) that is good for another 30 days: devices that know no ECDSA check a chain
// that is RSA from end to end. Keys are readable by their owner only. Also makes the bundle of authorities of clients,
// empty, unless it is there: it is the user's. UNAVAILABLE when a file cannot be written.
absl::Status EnsureCertificates(const std::string& directory, const std::vector<std::string>& names);

}  // namespace fleetcast::dev
