// The SQL of what sessions read and change of their identities: one text for devices and for modules.
#pragma once

#include "libs/postgres/statement.h"

namespace fleetcast::twin {

// Statements over one kind of identity. $1 = names (texts of an Identity); other arrays run parallel to it. Those that
// write take each name once, and lock rows in order of id: two batches never wait for each other in a circle.
struct SessionSql {
  postgres::Statement save_subscriptions;  // $2 bits, $3 whether a session is stored, $4 epochs, $5 expiries.
  postgres::Statement desired_versions;    // Gives name and version.
  postgres::Statement read_twins;          // Gives device_id (the name), desired, desired_version, reported, …
  postgres::Statement presence;            // $2 connected or NULL, $3 activity, $4 epochs.
  postgres::Statement lock_reported;       // Gives device_id (the name), versions, epoch, documents, now.
  postgres::Statement write_reported;      // $2 versions, $3 reported versions, $4 epochs, $5, $6 documents.
};

const SessionSql& DeviceSessionSql();
const SessionSql& ModuleSessionSql();

}  // namespace fleetcast::twin
