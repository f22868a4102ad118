// What SELECT makes of documents (query-language.md 4.4, 4.5): projections, aggregates, groups. The reference for the
// statements of the stores, and what forms rows that are not in a database. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/json/json.h"
#include "libs/query/numbers.h"
#include "libs/query/query.h"

namespace fleetcast::query {

// The row that the items of a projection make of `document`: members that are undefined are left out; of two items of
// one name the later wins. Precondition: no aggregates.
json::Value Project(const std::vector<SelectItem>& items, const json::Value& document);

// What one aggregate has seen of the rows of a group.
struct AggregateState {
  int64_t numbers = 0;                // How many numbers.
  std::string sum = "0";              // Their exact sum.
  std::optional<json::Value> number;  // The least or greatest of them.
  std::optional<json::Value> text;    // The same of the texts.
};

// The value of `aggregate` over a group of `rows` rows; nullopt = the member is left out. MIN and MAX prefer numbers.
std::optional<json::Value> Finish(Aggregate aggregate, int64_t rows, const AggregateState& state);

// The row of a group: `keys` belong to query.group_by (nullopt = undefined), `states` to query.items.
json::Value GroupRow(const Query& query, const std::vector<std::optional<json::Value>>& keys, int64_t rows,
                     const std::vector<AggregateState>& states);

// All rows of `query` over `documents`, without TOP; groups in no particular order.
std::vector<json::Value> SelectRows(const Query& query, const std::vector<json::Value>& documents);

}  // namespace fleetcast::query
