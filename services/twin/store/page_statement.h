// The statements of one page of rows in the order of their key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libs/query/sql.h"
#include "services/twin/store/columns.h"

namespace fleetcast::twin {

// The first parameter of the condition. Before it: $1 and $2 are the device and module id after which the page begins
// ('' and '' = at the first), $3 how many rows it has at most.
inline constexpr int kFirstOfCondition = 4;

// Reads along the key and tests each row. `select`: what is wanted of each row; `uses`: what that needs of FROM.
std::string PageAlongKey(const Source& source, std::string_view select, uint32_t uses, const query::Sql& where);

// The keys of a page, for a condition that an index on the documents answers: the planner sorts what that finds. The
// last column, `matches`, says in each row how many rows there are from the beginning of the page to the last of all.
std::string KeysByIndex(const Source& source, const query::Sql& where);

// As PageAlongKey, of the rows that KeysByIndex finds, with its `matches` as the last column. Sorting everything that
// fits costs little when the rows are keys, and much when they are documents.
std::string PageByIndex(const Source& source, std::string_view select, uint32_t uses, const query::Sql& where);

// How many of the next `window` documents fit, counted along the key up to $3.
std::string CountNear(const Source& source, const query::Sql& where, int window);

}  // namespace fleetcast::twin
