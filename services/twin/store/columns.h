// Where the members of a twin's document are stored, for the query compiler.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "libs/query/sql.h"

namespace fleetcast::twin {

// What a column needs in FROM: twin.twin AS t, twin.device AS d. A column without either needs t.device_id at most.
inline constexpr uint32_t kUsesDevice = 1;
inline constexpr uint32_t kUsesTwin = 2;

std::span<const query::Column> TwinColumns();

// The FROM clause for SQL that uses these columns.
std::string FromClause(uint32_t uses);

}  // namespace fleetcast::twin
