#include "libs/auth/certificate_time.h"

#include <gtest/gtest.h>
#include <openssl/x509.h>

#include <memory>

namespace fleetcast::auth {
namespace {

const absl::Time kOtherwise = absl::FromUnixSeconds(5);

struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};

TEST(CertificateTimeTest, ReadsBothDates) {
  const std::unique_ptr<X509, FreeCertificate> certificate(X509_new());
  ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate.get()), "20260102030405Z");
  ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate.get()), "20510102030405Z");
  EXPECT_EQ(NotBefore(certificate.get(), kOtherwise),
            absl::FromCivil(absl::CivilSecond(2026, 1, 2, 3, 4, 5), absl::UTCTimeZone()));
  EXPECT_EQ(NotAfter(certificate.get(), kOtherwise),
            absl::FromCivil(absl::CivilSecond(2051, 1, 2, 3, 4, 5), absl::UTCTimeZone()));
}

TEST(CertificateTimeTest, WhatCannotBeReadIsOtherwise) {
  const std::unique_ptr<X509, FreeCertificate> certificate(X509_new());
  ASN1_STRING_set(X509_getm_notAfter(certificate.get()), "soon", 4);
  EXPECT_EQ(NotAfter(certificate.get(), kOtherwise), kOtherwise);
  EXPECT_EQ(NotBefore(nullptr, kOtherwise), kOtherwise);
  EXPECT_EQ(NotAfter(nullptr, kOtherwise), kOtherwise);
}

}  // namespace
}  // namespace fleetcast::auth
