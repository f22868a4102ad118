// The collections that queries read: where the members of their documents are stored, and how their rows are told
// apart.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "libs/query/sql.h"

namespace fleetcast::twin {

// What a column needs in FROM: documents AS t, registry AS d. A column without either needs the key of t at most.
inline constexpr uint32_t kUsesDevice = 1;
inline constexpr uint32_t kUsesTwin = 2;

// Where the documents of a collection are.
struct Source {
  std::span<const query::Column> columns;
  // In the order of the key, in byte order: t.device_id, or t.device_id, t.module_id.
  std::string_view key;
  // The same order for sorting: no index has it, so that the planner does not read along the key.
  std::string_view sorted_key;
  bool has_modules = false;
  std::string_view documents;  // "twin.twin": the table of the documents.
  std::string_view registry;   // "twin.device": of the same rows, narrower; it changes less often.
};

// The names of the columns that make the key: device_id, or device_id, module_id.
std::string_view KeyColumns(const Source& source);

// Precondition: not kJobs, whose rows are elsewhere.
const Source& SourceOf(query::Collection collection);

// Whether SQL that uses these columns reads both tables, as `t` and `d`.
bool JoinsRegistry(uint32_t uses);

// " JOIN … AS d USING (…)": the registry, to a FROM clause that has the documents as `t`.
std::string JoinOfRegistry(const Source& source);

// The FROM clause for SQL that uses these columns.
std::string FromClause(const Source& source, uint32_t uses);

// The columns of twin.twin below which expression indexes may be declared, by their bare names: for index definitions.
std::span<const query::Column> IndexableColumns();

}  // namespace fleetcast::twin
