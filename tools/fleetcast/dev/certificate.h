// Certificates for development: an own certificate authority and one server certificate.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace fleetcast::dev {

// Files in the certificate directory.
inline constexpr char kCaCertificateFile[] = "ca.pem";
inline constexpr char kServerCertificateFile[] = "server.pem";
inline constexpr char kServerKeyFile[] = "server.key";

// Makes sure that `directory` holds an authority (kept as long as it lives, so that clients may trust it for good)
// and a server certificate of it for all of `names` (host names or numeric addresses) that is good for another 30
// days. Both are P-256; keys are readable by their owner only. UNAVAILABLE when a file cannot be written.
absl::Status EnsureCertificates(const std::string& directory, const std::vector<std::string>& names);

}  // namespace fleetcast::dev
