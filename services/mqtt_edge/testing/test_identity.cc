#include "services/mqtt_edge/testing/test_identity.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "libs/base/check.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr char kCurve[] = "P-256";

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  FLEETCAST_CHECK(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

}  // namespace

TestIdentity::TestIdentity(const Options& options)
    : key_(EVP_EC_gen(kCurve), EVP_PKEY_free), certificate_(X509_new(), X509_free) {
  X509* const certificate = certificate_.get();
  X509* const issuer = options.issuer == nullptr ? certificate : options.issuer->certificate();
  X509_set_version(certificate, X509_VERSION_3);
  BIGNUM* const serial = BN_new();
  BN_rand(serial, 63, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
  BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate));
  BN_free(serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), absl::ToInt64Seconds(options.valid_from));
  X509_gmtime_adj(X509_getm_notAfter(certificate), absl::ToInt64Seconds(options.valid_for));
  X509_set_pubkey(certificate, key_.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(options.common_name.data()),
                             static_cast<int>(options.common_name.size()), -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  AddExtension(certificate, issuer, NID_basic_constraints, options.is_authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (options.is_authority) {
    AddExtension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else if (!options.extended_usage.empty()) {
    AddExtension(certificate, issuer, NID_ext_key_usage, options.extended_usage);
  }
  EVP_PKEY* const signer = options.issuer == nullptr ? key_.get() : options.issuer->key();
  FLEETCAST_CHECK(X509_sign(certificate, signer, EVP_sha256()) > 0);
}

std::string TestIdentity::certificate_pem() const {
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate_.get());
  return Contents(bio);
}

std::string TestIdentity::key_pem() const {
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return Contents(bio);
}

std::shared_ptr<EVP_PKEY> TestIdentity::ForgedKey() const {
  unsigned char* public_key = nullptr;
  const size_t size = EVP_PKEY_get1_encoded_public_key(key_.get(), &public_key);
  EVP_PKEY* const other = EVP_EC_gen(kCurve);
  BIGNUM* private_key = nullptr;
  FLEETCAST_CHECK(EVP_PKEY_get_bn_param(other, OSSL_PKEY_PARAM_PRIV_KEY, &private_key) == 1);
  OSSL_PARAM_BLD* const builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, kCurve, 0);
  OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, public_key, size);
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, private_key);
  OSSL_PARAM* const parameters = OSSL_PARAM_BLD_to_param(builder);
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr);
  EVP_PKEY* forged = nullptr;
  FLEETCAST_CHECK(EVP_PKEY_fromdata_init(context) == 1 &&
                  EVP_PKEY_fromdata(context, &forged, EVP_PKEY_KEYPAIR, parameters) == 1);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(parameters);
  OSSL_PARAM_BLD_free(builder);
  BN_clear_free(private_key);
  EVP_PKEY_free(other);
  OPENSSL_free(public_key);
  return {forged, EVP_PKEY_free};
}

}  // namespace fleetcast::mqtt_edge
