#include "libs/http/tls_files.h"

#include <openssl/ssl.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/auth/certificate_time.h"
#include "libs/base/status_macros.h"

namespace fleetcast::http {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

absl::Status LoadPair(ssl::context& tls, const std::string& certificate_file, const std::string& key_file) {
  error_code error;
  tls.use_certificate_chain_file(certificate_file, error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("TLS certificate ", certificate_file, ": ", error.message()));
  }
  tls.use_private_key_file(key_file, ssl::context::pem, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat("TLS key ", key_file, ": ", error.message()));
  if (SSL_CTX_check_private_key(tls.native_handle()) != 1) {
    return absl::InvalidArgumentError("the TLS key does not belong to the TLS certificate");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsFiles>> TlsFiles::Load(const std::string& certificate_file,
                                                         const std::string& key_file) {
  std::unique_ptr<TlsFiles> files(new TlsFiles(certificate_file, key_file));
  FLEETCAST_RETURN_IF_ERROR(*files->Reload(/*demand=*/true));
  return files;
}

TlsFiles::Context TlsFiles::Current() const {
  MutexLock lock(mutex_);
  return current_;
}

absl::Time TlsFiles::expiry() const {
  MutexLock lock(mutex_);
  return expiry_;
}

std::optional<absl::Status> TlsFiles::Reload(bool demand) {
  MutexLock lock(reload_mutex_);
  std::vector<FileVersion> versions = {FileVersion(certificate_file_), FileVersion(key_file_)};
  if (!demand && versions == versions_) return std::nullopt;
  versions_ = std::move(versions);
  return Read();
}

absl::Status TlsFiles::Read() {
  const Context context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* const handle = context->native_handle();
  SSL_CTX_set_min_proto_version(handle, TLS1_2_VERSION);
  SSL_CTX_set_options(handle, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(handle, SSL_MODE_RELEASE_BUFFERS);  // An idle connection keeps no buffers.
  FLEETCAST_RETURN_IF_ERROR(LoadPair(*context, certificate_file_, key_file_));
  MutexLock lock(mutex_);
  current_ = context;
  expiry_ = auth::NotAfter(SSL_CTX_get0_certificate(handle), absl::InfiniteFuture());
  return absl::OkStatus();
}

}  // namespace fleetcast::http
