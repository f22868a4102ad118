#include "services/device_connection/credential.h"

#include <cstring>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/model/digest.h"

namespace fleetcast::device_connection {
namespace {

using internal::v1::DeviceRecord;

// `kind` keeps apart what is equal as text. The generation makes a device that was registered again another one.
CredentialId Digest(const DeviceRecord& record, std::string_view kind, std::string_view secret) {
  const std::string digest = Sha256(absl::StrCat("fleetcast session credential\n", Absl(kind), "\n",
                                                 record.generation_id(), "\n", record.device_id(), "\n", Absl(secret)));
  CredentialId id = 0;
  std::memcpy(&id, digest.data(), sizeof(id));
  return id == 0 ? 1 : id;
}

}  // namespace

CredentialId KeyCredential(const DeviceRecord& record, std::string_view key) { return Digest(record, "key", key); }

CredentialId ThumbprintCredential(const DeviceRecord& record, std::string_view thumbprint) {
  return Digest(record, "thumbprint", absl::AsciiStrToUpper(Absl(thumbprint)));
}

CredentialId PolicyCredential(const DeviceRecord& record) { return Digest(record, "policy", ""); }

CredentialId AuthorityCredential(const DeviceRecord& record) { return Digest(record, "authority", ""); }

bool Holds(const DeviceRecord& record, CredentialId credential) {
  if (credential == 0) return true;
  switch (record.authentication_type()) {
    case DeviceRecord::AUTHENTICATION_TYPE_SELF_SIGNED:
      return credential == ThumbprintCredential(record, record.primary_thumbprint()) ||
             credential == ThumbprintCredential(record, record.secondary_thumbprint());
    case DeviceRecord::AUTHENTICATION_TYPE_CERTIFICATE_AUTHORITY: return credential == AuthorityCredential(record);
    default:
      return credential == KeyCredential(record, record.primary_key()) ||
             credential == KeyCredential(record, record.secondary_key()) || credential == PolicyCredential(record);
  }
}

}  // namespace fleetcast::device_connection
