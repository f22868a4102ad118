#include "libs/http/test_support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/check.h"
#include "libs/base/strings.h"

namespace fleetcast::http {
namespace {

constexpr int kPatienceSeconds = 20;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(FILE* file) const { std::fclose(file); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};

std::unique_ptr<X509, Free> MakeCertificate(EVP_PKEY* key) {
  std::unique_ptr<X509, Free> certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86400);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  const std::unique_ptr<X509_EXTENSION, Free> names(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1"));
  X509_add_ext(certificate.get(), names.get(), -1);
  FLEETCAST_CHECK(X509_sign(certificate.get(), key, EVP_sha256()) > 0);
  return certificate;
}

// A new file in the directory for temporary files.
std::unique_ptr<FILE, Free> OpenTemporary(std::string& path) {
  const char* directory = std::getenv("TMPDIR");
  path = absl::StrCat(directory == nullptr ? "/tmp" : directory, "/fleetcast-test-XXXXXX");
  const int descriptor = mkstemp(path.data());
  FLEETCAST_CHECK(descriptor >= 0);
  return std::unique_ptr<FILE, Free>(fdopen(descriptor, "w"));
}

}  // namespace

TestCertificate::TestCertificate(Kind kind) {
  const std::unique_ptr<EVP_PKEY, Free> key(kind == Kind::kRsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"));
  const std::unique_ptr<X509, Free> certificate = MakeCertificate(key.get());
  FLEETCAST_CHECK(PEM_write_X509(OpenTemporary(certificate_file_).get(), certificate.get()) == 1);
  FLEETCAST_CHECK(
      PEM_write_PrivateKey(OpenTemporary(key_file_).get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
}

TestCertificate::~TestCertificate() {
  unlink(certificate_file_.c_str());
  unlink(key_file_.c_str());
}

std::string TestResponse::Header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

struct TestClient::Tls {
  std::unique_ptr<SSL_CTX, Free> context{SSL_CTX_new(TLS_client_method())};
  std::unique_ptr<SSL, Free> ssl{SSL_new(context.get())};
};

TestClient::TestClient(uint16_t port, Mode mode) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval patience = {.tv_sec = kPatienceSeconds, .tv_usec = 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  is_connected_ = connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  if (!is_connected_ || mode == Mode::kPlain) return;
  tls_ = std::make_unique<Tls>();
  SSL_set_fd(tls_->ssl.get(), socket_);
  is_connected_ = SSL_connect(tls_->ssl.get()) == 1;
}

TestClient::~TestClient() {
  tls_.reset();
  close(socket_);
}

std::string TestClient::ServerCertificate() const {
  if (tls_ == nullptr) return "";
  const std::unique_ptr<X509, Free> certificate(SSL_get1_peer_certificate(tls_->ssl.get()));
  const std::unique_ptr<BIO, Free> text(BIO_new(BIO_s_mem()));
  FLEETCAST_CHECK(certificate != nullptr && PEM_write_bio_X509(text.get(), certificate.get()) == 1);
  char* begin = nullptr;
  const long size = BIO_get_mem_data(text.get(), &begin);
  return std::string(begin, static_cast<size_t>(size));
}

bool TestClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = tls_ ? SSL_write(tls_->ssl.get(), bytes.data(), static_cast<int>(bytes.size()))
                              : send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool TestClient::Receive() {
  std::array<char, 16384> chunk;
  const ssize_t got =
      tls_ ? SSL_read(tls_->ssl.get(), chunk.data(), chunk.size()) : recv(socket_, chunk.data(), chunk.size(), 0);
  if (got <= 0) return false;
  buffered_.append(chunk.data(), static_cast<size_t>(got));
  return true;
}

std::optional<TestResponse> TestClient::Read() {
  size_t end = 0;
  while ((end = buffered_.find("\r\n\r\n")) == std::string::npos) {
    if (!Receive()) return std::nullopt;
  }
  TestResponse response;
  std::vector<std::string> lines = absl::StrSplit(buffered_.substr(0, end), "\r\n");
  buffered_.erase(0, end + 4);
  if (lines.front().size() < 12 || !absl::SimpleAtoi(lines.front().substr(9, 3), &response.status)) return std::nullopt;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::pair<std::string, std::string> header = absl::StrSplit(lines[i], absl::MaxSplits(": ", 1));
    response.headers.emplace(absl::AsciiStrToLower(header.first), header.second);
  }
  size_t length = 0;
  if (response.headers.count("content-length") > 0) {
    FLEETCAST_CHECK(absl::SimpleAtoi(response.Header("content-length"), &length));
  }
  while (buffered_.size() < length) {
    if (!Receive()) return std::nullopt;
  }
  response.body = buffered_.substr(0, length);
  buffered_.erase(0, length);
  return response;
}

bool TestClient::WaitForClose() {
  if (!buffered_.empty() || Receive()) return false;
  return tls_ || errno != EAGAIN;
}

std::optional<TestResponse> TestClient::Ask(std::string_view method, std::string_view target, std::string_view headers,
                                            std::string_view body) {
  std::string bytes = absl::StrCat(Absl(method), " ", Absl(target), " HTTP/1.1\r\nHost: localhost\r\n", Absl(headers));
  if (!body.empty()) absl::StrAppend(&bytes, "Content-Length: ", body.size(), "\r\n");
  absl::StrAppend(&bytes, "\r\n", Absl(body));
  if (!Send(bytes)) return std::nullopt;
  return Read();
}

}  // namespace fleetcast::http
