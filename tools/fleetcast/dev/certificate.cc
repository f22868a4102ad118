#include "tools/fleetcast/dev/certificate.h"

#include <memory>

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "tools/fleetcast/files.h"

namespace fleetcast::dev {
namespace {

constexpr unsigned int kRsaBits = 2048;
constexpr int kCaDays = 3650;
constexpr int kServerDays = 397;  // The longest that browsers accept.
constexpr int kRenewDays = 30;
constexpr long kDaySeconds = 24L * 60 * 60;

template <auto kFree>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

struct Identity {
  Certificate certificate;
  PrivateKey key;
};

// An authority and its server certificate, with keys of one kind.
struct Chain {
  EVP_PKEY* (*new_key)();
  const char* authority_name;
  const char* ca_file;
  const char* ca_key_file;
  const char* server_file;
  const char* server_key_file;
};
constexpr Chain kP256Chain = {[] { return EVP_EC_gen("P-256"); },
                              "Fleetcast development CA",
                              kCaCertificateFile,
                              "ca.key",
                              kServerCertificateFile,
                              kServerKeyFile};
constexpr Chain kRsaChain = {[] { return EVP_RSA_gen(kRsaBits); },
                             "Fleetcast development CA (RSA)",
                             "ca-rsa.pem",
                             "ca-rsa.key",
                             kRsaServerCertificateFile,
                             kRsaServerKeyFile};

bool IsAddress(const std::string& name) {
  in6_addr address = {};
  return inet_pton(AF_INET, name.c_str(), &address) == 1 || inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

std::string Contents(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  return std::string(bytes, static_cast<size_t>(size));
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return false;
  const bool good = X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return good;
}

// A certificate without extensions for a new key; not signed yet.
Identity NewIdentity(const Chain& chain, const std::string& common_name, int days) {
  Identity identity{Certificate(X509_new()), PrivateKey(chain.new_key())};
  X509* const certificate = identity.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  BIGNUM* serial = BN_new();
  BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY);
  BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(certificate));
  BN_free(serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -kDaySeconds);  // Clocks of clients may be behind.
  X509_gmtime_adj(X509_getm_notAfter(certificate), days * kDaySeconds);
  X509_set_pubkey(certificate, identity.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  return identity;
}

std::string ToPem(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return Contents(bio.get());
}

absl::Status Save(const Identity& identity, const std::string& certificate_file, const std::string& key_file) {
  const Bio key(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(key.get(), identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  FLEETCAST_RETURN_IF_ERROR(files::Replace(key_file, Contents(key.get()), 0600));
  return files::Replace(certificate_file, ToPem(identity.certificate.get()), 0644);
}

// The first certificate of a file; empty members when a file is missing or no PEM.
Identity Load(const std::string& certificate_file, const std::string& key_file) {
  Identity identity;
  const absl::StatusOr<std::string> certificate = files::Read(certificate_file);
  const absl::StatusOr<std::string> key = files::Read(key_file);
  if (!certificate.ok() || !key.ok()) return identity;
  const Bio certificate_bio(BIO_new_mem_buf(certificate->data(), static_cast<int>(certificate->size())));
  const Bio key_bio(BIO_new_mem_buf(key->data(), static_cast<int>(key->size())));
  identity.certificate.reset(PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr));
  identity.key.reset(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr));
  return identity;
}

// Whether the certificate belongs to the key and is good for another kRenewDays.
bool IsGood(const Identity& identity) {
  if (identity.certificate == nullptr || identity.key == nullptr) return false;
  time_t limit = time(nullptr) + kRenewDays * kDaySeconds;
  return X509_check_private_key(identity.certificate.get(), identity.key.get()) == 1 &&
         X509_cmp_time(X509_get0_notAfter(identity.certificate.get()), &limit) > 0;
}

bool Covers(X509* certificate, const std::string& name) {
  if (IsAddress(name)) return X509_check_ip_asc(certificate, name.c_str(), 0) == 1;
  return X509_check_host(certificate, name.c_str(), name.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1;
}

absl::StatusOr<Identity> MakeAuthority(const Chain& chain) {
  Identity authority = NewIdentity(chain, chain.authority_name, kCaDays);
  X509* const certificate = authority.certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  if (!AddExtension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !AddExtension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !AddExtension(certificate, certificate, NID_subject_key_identifier, "hash") ||
      X509_sign(certificate, authority.key.get(), EVP_sha256()) == 0) {
    return absl::InternalError("cannot make a certificate authority");
  }
  return authority;
}

absl::StatusOr<Identity> MakeServer(const Chain& chain, const Identity& authority,
                                    const std::vector<std::string>& names) {
  Identity server = NewIdentity(chain, "Fleetcast development server", kServerDays);
  X509* const certificate = server.certificate.get();
  X509* const issuer = authority.certificate.get();
  const std::string alternatives = absl::StrJoin(names, ",", [](std::string* out, const std::string& name) {
    absl::StrAppend(out, IsAddress(name) ? "IP:" : "DNS:", name);
  });
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  if (!AddExtension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(certificate, issuer, NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(certificate, issuer, NID_ext_key_usage, "serverAuth") ||
      !AddExtension(certificate, issuer, NID_authority_key_identifier, "keyid:always") ||
      !AddExtension(certificate, issuer, NID_subject_alt_name, alternatives) ||
      X509_sign(certificate, authority.key.get(), EVP_sha256()) == 0) {
    return absl::InvalidArgumentError(absl::StrCat("cannot make a certificate for ", alternatives));
  }
  return server;
}

// Answers the certificate of the chain's authority.
absl::StatusOr<Certificate> EnsureChain(const Chain& chain, const std::string& directory,
                                        const std::vector<std::string>& names) {
  const std::string ca_file = absl::StrCat(directory, "/", chain.ca_file);
  const std::string ca_key_file = absl::StrCat(directory, "/", chain.ca_key_file);
  const std::string server_file = absl::StrCat(directory, "/", chain.server_file);
  const std::string server_key_file = absl::StrCat(directory, "/", chain.server_key_file);

  Identity authority = Load(ca_file, ca_key_file);
  bool keep = IsGood(authority);
  if (!keep) {
    FLEETCAST_ASSIGN_OR_RETURN(authority, MakeAuthority(chain));
    FLEETCAST_RETURN_IF_ERROR(Save(authority, ca_file, ca_key_file));
  }
  Identity server = Load(server_file, server_key_file);
  keep = keep && IsGood(server) && X509_verify(server.certificate.get(), authority.key.get()) == 1;
  for (const std::string& name : names) keep = keep && Covers(server.certificate.get(), name);
  if (!keep) {
    FLEETCAST_ASSIGN_OR_RETURN(server, MakeServer(chain, authority, names));
    FLEETCAST_RETURN_IF_ERROR(Save(server, server_file, server_key_file));
  }
  return std::move(authority.certificate);
}

}  // namespace

absl::Status EnsureCertificates(const std::string& directory, const std::vector<std::string>& names) {
  const std::string clients_file = absl::StrCat(directory, "/", kClientAuthoritiesFile);
  if (absl::IsNotFound(files::Read(clients_file).status())) {
    FLEETCAST_RETURN_IF_ERROR(files::Replace(clients_file, "", 0644));
  }
  FLEETCAST_ASSIGN_OR_RETURN(const Certificate p256, EnsureChain(kP256Chain, directory, names));
  FLEETCAST_ASSIGN_OR_RETURN(const Certificate rsa, EnsureChain(kRsaChain, directory, names));
  // The file of the first authority is what clients are given: it holds both.
  const std::string trusted = absl::StrCat(ToPem(p256.get()), ToPem(rsa.get()));
  const std::string file = absl::StrCat(directory, "/", kCaCertificateFile);
  const absl::StatusOr<std::string> present = files::Read(file);
  if (present.ok() && *present == trusted) return absl::OkStatus();
  return files::Replace(file, trusted, 0644);
}

}  // namespace fleetcast::dev
