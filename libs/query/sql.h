// Compiles expressions to PostgreSQL. The text consists of our own constants, the column expressions of the caller's
// binding, and $n parameters; nothing of the user's, not even a property name, ever becomes part of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/query/query.h"

namespace fleetcast::query {

enum class ColumnType : uint8_t {
  kText,  // SQL NULL = undefined, here and below.
  kBool,
  kNumber,  // bigint
  kTime,    // timestamptz
  kJson,    // jsonb; paths may go on below it
  kObject,  // defined, but nothing that compares; `sql` is unused
};

// Where a member of the document is stored. `path` is canonical, dots between segments; the longest match wins.
struct Column {
  std::string_view path;
  std::string_view sql;  // A constant of ours.
  ColumnType type;
  // A jsonb object column with a GIN index (jsonb_path_ops): conjuncts that test equality use containment.
  bool has_containment_index = false;
  // Anything the caller wants to know about the columns that an expression used; or-ed together.
  uint32_t uses = 0;
};

// A piece of SQL and the values of its parameters. All parameters are text; the SQL casts them.
struct Sql {
  std::string text;
  std::vector<std::string> parameters;
  uint32_t uses = 0;  // Of the columns in it.
};

// A Boolean SQL expression that is true exactly for the rows that `expr` selects. Parameters are numbered from
// `first_parameter`. Errors: INVALID_ARGUMENT with `reason` for what this version does not compile, with its position.
absl::StatusOr<Sql> CompileCondition(const Expr& expr, std::span<const Column> columns, int first_parameter,
                                     std::string_view reason);

// A SQL expression of type jsonb for the value of `path`, NULL where it is undefined. Errors as above.
absl::StatusOr<Sql> CompilePath(const Path& path, std::span<const Column> columns, int first_parameter,
                                std::string_view reason);

// `elements` as the text of a PostgreSQL text[].
std::string ArrayLiteral(const std::vector<std::string>& elements);

}  // namespace fleetcast::query
