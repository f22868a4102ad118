// The SQL of identities and their twins: one text for devices and for modules, whose tables have the same columns.
#pragma once

#include "libs/postgres/statement.h"

namespace fleetcast::twin {

// Statements over one kind of identity. Ids travel as two parallel arrays, $1 of devices and $2 of modules; for devices
// the second one is there and not looked at.
struct IdentitySql {
  postgres::Statement create;     // $3 … the columns of NewIdentityColumns. Gives the rows that were created, by id.
  postgres::Statement get;        // Rows.
  postgres::Statement lock;       // Rows in order of id, locked for update or deletion.
  postgres::Statement update;     // $3 … the columns of SettingsColumns. Gives the new rows.
  postgres::Statement remove;     // With their twins; remembers the epochs of their sessions.
  postgres::Statement lock_twin;  // For edits: $1 names (text of an Identity), $2, $3 whether tags, desired are wanted.
  postgres::Statement write_tags;  // $1 names, then one array a column, as for the next two.
  postgres::Statement write_desired;
  postgres::Statement write_both;
  postgres::Statement get_twin;  // $1, $2: one device and module.
};

const IdentitySql& DeviceSql();
const IdentitySql& ModuleSql();

}  // namespace fleetcast::twin
