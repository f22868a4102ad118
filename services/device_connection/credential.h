// Which credential of an identity opened a session, as a number: a session may stay as long as the record still holds
// what opened it (reliability S7).
#pragma once

#include <cstdint>
#include <string_view>

#include "fleetcast/internal/v1/device_record.pb.h"

namespace fleetcast::device_connection {

// Names one credential of one registration (generation): 64 bits of a digest, which does not tell the secret. 0 = not
// known, of sessions from before there was this.
using CredentialId = uint64_t;

// Of a symmetric key (base64), of a registered thumbprint in any case, of a hub policy, and of a certificate that an
// authority has signed. The latter two only say how the session was opened: the policy and the authority are not the
// identity's own.
CredentialId KeyCredential(const internal::v1::DeviceRecord& record, std::string_view key);
CredentialId ThumbprintCredential(const internal::v1::DeviceRecord& record, std::string_view thumbprint);
CredentialId PolicyCredential(const internal::v1::DeviceRecord& record);
CredentialId AuthorityCredential(const internal::v1::DeviceRecord& record);

// Whether a new session could be opened with this credential today. True for 0.
bool Holds(const internal::v1::DeviceRecord& record, CredentialId credential);

}  // namespace fleetcast::device_connection
