// The statement of one page of rows in the order of their key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/query/sql.h"
#include "services/twin/store/columns.h"

namespace fleetcast::twin {

// The first parameter of the condition. Before it: $1 and $2 are the device and module id after which the page begins
// ('' and '' = at the first), $3 the device id up to which it goes (NULL = to the last), $4 how many rows it has at
// most.
inline constexpr int kFirstOfCondition = 5;

// `select`: what is wanted of each row; `uses`: what that needs of FROM. `along_key`: the planner may read along the
// key; else it has to sort what an index on the documents finds.
std::string PageStatement(const Source& source, std::string_view select, uint32_t uses, const query::Sql& where,
                          bool along_key);

}  // namespace fleetcast::twin
