#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/substitute.h"
#include "libs/base/strings.h"
#include "libs/query/sql_compiler.h"

namespace fleetcast::query::internal {
namespace {

// How many segments of `path` the column's path takes; 0 when it does not fit.
size_t Fit(const Path& path, std::string_view column) {
  size_t count = 0;
  while (true) {
    const size_t dot = column.find('.');
    if (count == path.size() || path[count].is_index || path[count].name != column.substr(0, dot)) return 0;
    ++count;
    if (dot == std::string_view::npos) return count;
    column.remove_prefix(dot + 1);
  }
}

// `#>` takes "0" for a key as well as for an index.
bool IsPlainKey(const Segment& segment) {
  return !segment.is_index && segment.name.find_first_not_of("-0123456789") != std::string::npos;
}

Operand::Type TypeOf(ColumnType type) {
  switch (type) {
    case ColumnType::kText: return Operand::Type::kText;
    case ColumnType::kBool: return Operand::Type::kBool;
    case ColumnType::kNumber: return Operand::Type::kNumber;
    case ColumnType::kTime: return Operand::Type::kTime;
    case ColumnType::kJson: return Operand::Type::kJson;
    case ColumnType::kObject: break;
  }
  return Operand::Type::kObject;
}

}  // namespace

bool Operand::is_incomparable() const {
  if (type == Type::kLiteral) return literal->is_array() || literal->is_object();
  return type == Type::kUndefined || type == Type::kObject || type == Type::kList;
}

// "$index::type"; Finish gives the final number.
std::string Compiler::Parameter(std::string value, std::string_view type) {
  if (inlines_) return absl::StrCat("'", absl::StrReplaceAll(value, {{"'", "''"}}), "'::", Absl(type));
  parameters_.push_back(std::move(value));
  return absl::StrCat("$", parameters_.size() - 1, "::", Absl(type));
}

Operand Compiler::Computed(Type type, std::string sql) {
  Operand operand;
  operand.type = type;
  operand.sql = std::move(sql);
  return operand;
}

Operand Compiler::Compile(const Expr& expr) {
  Operand operand;
  switch (expr.kind) {
    case Expr::Kind::kUndefined: return operand;
    case Expr::Kind::kLiteral:
      operand.type = Type::kLiteral;
      operand.literal = &expr.literal;
      return operand;
    case Expr::Kind::kPath: return Locate(expr.path);
    case Expr::Kind::kList:
      operand.type = Type::kList;
      operand.list = &expr;
      return operand;
    case Expr::Kind::kSign:
    case Expr::Kind::kArithmetic: return Calculation(expr);
    case Expr::Kind::kCall: return Call(expr);
    case Expr::Kind::kCompare: return Computed(Type::kBool, Compare(expr, expr.comparison, Want::kThreeValues));
    case Expr::Kind::kIn: return Computed(Type::kBool, In(expr, expr.is_negated, Want::kThreeValues));
    case Expr::Kind::kNot: return Computed(Type::kBool, absl::StrCat("(NOT ", Boolean(expr.args[0]), ")"));
    case Expr::Kind::kAnd:
    case Expr::Kind::kOr: break;
  }
  return Computed(Type::kBool,
                  Connect(expr, expr.kind == Expr::Kind::kAnd, [this](const Expr& arg) { return Boolean(arg); }));
}

std::string Compiler::Boolean(const Expr& expr) { return AsBoolean(Compile(expr)); }

Operand Compiler::Locate(const Path& path) {
  const Column* best = nullptr;
  size_t best_count = 0;
  for (const Column& column : binding_.columns) {
    const size_t count = Fit(path, column.path);
    if (count > best_count) {
      best = &column;
      best_count = count;
    }
  }
  Operand operand;
  if (best == nullptr) return operand;
  operand.below.assign(path.begin() + static_cast<std::ptrdiff_t>(best_count), path.end());
  if (!operand.below.empty() && best->type != ColumnType::kJson) return {};
  uses_ |= best->uses;
  operand.column = best;
  operand.type = TypeOf(best->type);
  operand.is_leaf = true;
  operand.sql = std::string(best->sql);
  if (best->type == ColumnType::kNumber) absl::StrAppend(&operand.sql, "::numeric");
  if (best->type == ColumnType::kTime) operand.time_text = std::string(best->time_text);
  if (best->type == ColumnType::kJson) {
    operand.sql = operand.below.empty() && !best->whole_sql.empty() ? std::string(best->whole_sql)
                                                                    : Descend(operand.sql, operand.below);
    operand.is_time_text = IsTimePath(path);
    operand.is_indexed =
        std::find(binding_.indexed_paths.begin(), binding_.indexed_paths.end(), path) != binding_.indexed_paths.end();
  }
  return operand;
}

std::string Compiler::Descend(std::string sql, const std::vector<Segment>& below) {
  if (below.empty()) return sql;
  if (below.size() > 1 && std::all_of(below.begin(), below.end(), IsPlainKey)) {
    std::vector<std::string> keys;
    for (const Segment& segment : below) keys.push_back(segment.name);
    return absl::StrCat("(", sql, " #> ", Parameter(ArrayLiteral(keys), "text[]"), ")");
  }
  for (const Segment& segment : below) {
    // Not `-> 0`: to PostgreSQL a scalar is an array of one element, so that '"x"' -> 0 is "x".
    sql = segment.is_index ? absl::StrCat("jsonb_path_query_first(", sql, ", 'strict $[$i]', ",
                                          Parameter(absl::StrCat("{\"i\":", segment.name, "}"), "jsonb"), ", TRUE)")
                           : absl::StrCat("(", sql, " -> ", Parameter(segment.name, "text"), ")");
  }
  return sql;
}

std::string Compiler::AsNumber(const Operand& operand) {
  switch (operand.type) {
    case Type::kNumber: return operand.sql;
    case Type::kJson:
      return absl::Substitute("(CASE WHEN jsonb_typeof($0) = 'number' THEN ($0)::numeric END)", operand.sql);
    case Type::kLiteral:
      if (operand.literal->is_number()) return Parameter(operand.literal->NumberText(), "numeric");
      break;
    default: break;
  }
  return "NULL::numeric";
}

std::string Compiler::AsText(const Operand& operand) {
  switch (operand.type) {
    case Type::kText: return operand.sql;
    case Type::kTime: return operand.time_text;
    case Type::kJson:
      return absl::Substitute("(CASE WHEN jsonb_typeof($0) = 'string' THEN $0 #>> '{}' END)", operand.sql);
    case Type::kLiteral:
      if (operand.literal->is_string()) return Parameter(operand.literal->AsString(), "text");
      break;
    default: break;
  }
  return "NULL::text";
}

std::string Compiler::AsBoolean(const Operand& operand) {
  switch (operand.type) {
    case Type::kBool: return operand.sql;
    case Type::kJson:
      return absl::Substitute("(CASE WHEN jsonb_typeof($0) = 'boolean' THEN ($0)::boolean END)", operand.sql);
    case Type::kLiteral:
      if (operand.literal->is_bool()) return operand.literal->AsBool() ? "TRUE" : "FALSE";
      break;
    default: break;
  }
  return std::string(kUndefinedBoolean);
}

std::string Compiler::AsJson(const Operand& operand) {
  switch (operand.type) {
    case Type::kLiteral: return Parameter(json::Print(*operand.literal), "jsonb");
    case Type::kJson: return operand.sql;
    case Type::kText:
    case Type::kTime: return absl::StrCat("to_jsonb(", AsText(operand), ")");
    case Type::kBool:
    case Type::kNumber: return absl::StrCat("to_jsonb(", operand.sql, ")");
    default: return "NULL::jsonb";
  }
}

std::string Compiler::Defined(const Operand& operand) {
  switch (operand.type) {
    case Type::kUndefined: return "FALSE";
    case Type::kLiteral:
    case Type::kObject:
    case Type::kList: return "TRUE";
    default: return absl::StrCat("(", operand.sql, " IS NOT NULL)");
  }
}

// OFFSET 0 keeps the planner from putting the expression back where its name stands.
std::string Compiler::Bind(std::string sql, const std::function<std::string(std::string_view)>& use) {
  const std::string name = absl::StrCat("v", ++bindings_);
  return absl::StrCat("(SELECT ", use(absl::StrCat(name, ".x")), " FROM (SELECT ", sql, " AS x OFFSET 0) AS ", name,
                      ")");
}

std::string Compiler::Bind(const Operand& operand, const std::function<std::string(const Operand&)>& use) {
  if (operand.is_leaf || operand.sql.empty()) return use(operand);
  return Bind(operand.sql, [&](std::string_view name) {
    Operand bound = operand;
    bound.sql = std::string(name);
    bound.is_leaf = true;
    return use(bound);
  });
}

std::string Compiler::PathAs(const Path& path, PathForm form) {
  const Operand operand = Locate(path);
  switch (form) {
    case PathForm::kNumber: return AsNumber(operand);
    case PathForm::kText: return AsText(operand);
    case PathForm::kKey: break;
  }
  if (!operand.is_json()) return AsJson(operand);
  return absl::Substitute("(CASE WHEN jsonb_typeof($0) NOT IN ('object', 'array') THEN $0 END)", operand.sql);
}

}  // namespace fleetcast::query::internal
