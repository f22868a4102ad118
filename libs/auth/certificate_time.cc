#include "libs/auth/certificate_time.h"

#include <openssl/x509.h>

#include <ctime>

namespace fleetcast::auth {
namespace {

absl::Time ToTime(const ASN1_TIME* time, absl::Time otherwise) {
  tm parts = {};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return otherwise;
  return absl::FromTM(parts, absl::UTCTimeZone());
}

}  // namespace

absl::Time NotBefore(const X509* certificate, absl::Time otherwise) {
  return certificate == nullptr ? otherwise : ToTime(X509_get0_notBefore(certificate), otherwise);
}

absl::Time NotAfter(const X509* certificate, absl::Time otherwise) {
  return certificate == nullptr ? otherwise : ToTime(X509_get0_notAfter(certificate), otherwise);
}

}  // namespace fleetcast::auth
