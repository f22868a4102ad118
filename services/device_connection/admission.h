// Whether a device may connect: the decision, without any waiting or asking.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "fleetcast/internal/v1/device_record.pb.h"
#include "fleetcast/internal/v1/edge_link.pb.h"
#include "libs/auth/policies.h"
#include "libs/auth/sas_check.h"
#include "services/device_connection/credential.h"

namespace fleetcast::device_connection {

// What the decision depends on besides the request and the record. Outlives the calls.
struct AdmissionRules {
  const auth::PolicySet& policies;
  const auth::HostNames& hosts;
  bool checks_certificate_dates = true;
};

struct Admission {
  internal::v1::OpenSessionResult::Code code = internal::v1::OpenSessionResult::CODE_NOT_AUTHORIZED;
  int64_t token_expiry_unix_seconds = 0;  // 0 = none.
  CredentialId credential = 0;            // What opens the session, if accepted.
  const char* why = "";                   // For logs and metrics: a constant, never a secret.
};

// What can be refused without knowing the device: identifiers, host. `code` is ACCEPTED when nothing speaks
// against it yet. device-mqtt.md 2.2, 2.3, 2.9.
Admission CheckRequest(const internal::v1::OpenSession& open, const AdmissionRules& rules);

// The whole decision, for a request that passed CheckRequest. `record` is null when the device does not exist; the
// answer to the client is then the same as for a wrong signature. device-mqtt.md 2.4, 2.5, 2.9.
Admission CheckDevice(const internal::v1::OpenSession& open, const internal::v1::DeviceRecord* record,
                      const AdmissionRules& rules, absl::Time now);

}  // namespace fleetcast::device_connection
