// Compiles expressions to PostgreSQL. The text consists of our own constants, the column expressions of the caller's
// binding, and $n parameters; nothing of the user's, not even a property name, ever becomes part of it. No document
// and no query makes the database answer an error: what cannot be computed is NULL, which plays undefined.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libs/query/query.h"

namespace fleetcast::query {

enum class ColumnType : uint8_t {
  kText,  // SQL NULL = undefined, here and below.
  kBool,
  kNumber,  // Any integer type.
  kTime,    // timestamptz; `time_text` is its text in documents
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
  std::string_view time_text = "";  // kTime: a constant of ours.
  // kJson: what stands for the path itself, if not `sql`, which stands for what lies below it.
  std::string_view whole_sql = "";
};

// What a collection is to the compiler. Everything pointed to outlives the calls.
struct Binding {
  std::span<const Column> columns;
  // Paths below kJson columns that have expression indexes (IndexExpressions): conditions on them use exactly those.
  std::span<const Path> indexed_paths = {};
};

// A piece of SQL and the values of its parameters. All parameters are text; the SQL casts them.
struct Sql {
  std::string text;
  std::vector<std::string> parameters;
  uint32_t uses = 0;  // Of the columns in it.
  // An index on what the documents hold (containment, or of Binding::indexed_paths) finds a superset of the rows.
  bool is_indexed = false;
};

// A Boolean SQL expression that is true exactly for the rows that `expr` selects. Parameters are numbered from
// `first_parameter`.
Sql CompileCondition(const Expr& expr, const Binding& binding, int first_parameter);

enum class PathForm : uint8_t {
  kKey,     // jsonb; NULL where the path leads to nothing, an object or an array: a key of GROUP BY.
  kNumber,  // numeric; NULL where it is no number.
  kText,    // text with collation C; NULL where it is no string.
};

// The value of `path` in one of the forms.
Sql CompilePath(const Path& path, PathForm form, const Binding& binding, int first_parameter);

// What an expression index on `path` holds: without parameters, made of the columns of `binding`, whose `sql` is the
// bare name of a column here. Empty text when `path` does not lead below a kJson column.
struct IndexExpression {
  PathForm form;
  std::string text;
};
std::vector<IndexExpression> IndexExpressions(const Path& path, const Binding& binding);

// `elements` as the text of a PostgreSQL text[].
std::string ArrayLiteral(const std::vector<std::string>& elements);

}  // namespace fleetcast::query
