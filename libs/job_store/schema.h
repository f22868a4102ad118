// The database schema of the job store.
#pragma once

#include <span>

#include "libs/postgres/migrate.h"

namespace fleetcast::job_store {

inline constexpr char kSchemaName[] = "jobs";

// The files of schema/, for postgres::Migrate and postgres::CheckSchema.
std::span<const postgres::Migration> SchemaMigrations();

}  // namespace fleetcast::job_store
