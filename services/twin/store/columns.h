// Where the members of a twin's document are stored, for the query compiler.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "libs/query/sql.h"

namespace fleetcast::twin {

// What a column needs in FROM: twin.twin AS t is always there, twin.device AS d only when used.
inline constexpr uint32_t kUsesDevice = 1;

std::span<const query::Column> TwinColumns();

// The FROM clause for SQL that uses these columns.
std::string FromClause(uint32_t uses);

}  // namespace fleetcast::twin
