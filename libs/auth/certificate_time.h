// The dates in X.509 certificates.
#pragma once

#include "absl/time/time.h"

struct x509_st;

namespace fleetcast::auth {

// From when on `certificate` is valid, and until when (RFC 5280, 4.1.2.5). A date that cannot be read, or no
// certificate at all, is `otherwise`.
absl::Time NotBefore(const x509_st* certificate, absl::Time otherwise);
absl::Time NotAfter(const x509_st* certificate, absl::Time otherwise);

}  // namespace fleetcast::auth
