// The database schema `twin`: its migrations, embedded at build time.
#pragma once

#include <span>
#include <string_view>

#include "libs/postgres/migrate.h"

namespace fleetcast::twin {

inline constexpr std::string_view kSchema = "twin";

std::span<const postgres::Migration> SchemaMigrations();

}  // namespace fleetcast::twin
