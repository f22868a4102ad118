#include "libs/query/sql.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/substitute.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/query/interpreter.h"

namespace fleetcast::query {
namespace {

using json::Value;

constexpr std::string_view kUndefinedBoolean = "NULL::boolean";
constexpr std::string_view kUndefinedJson = "NULL::jsonb";
// Above this an IN list is not spread over containment tests, which an index can answer one by one.
constexpr size_t kContainmentListMax = 16;

// An operand in SQL: what it is known to be, and the text that yields it.
struct Operand {
  enum class Type : uint8_t { kUndefined, kLiteral, kText, kBool, kNumber, kTime, kJson, kObject };
  Type type = Type::kUndefined;
  std::string sql;                 // Not for kUndefined, kLiteral, kObject.
  const Value* literal = nullptr;  // kLiteral
  const Column* column = nullptr;  // Paths.
  std::vector<Segment> below;      // kJson paths: the segments below the column.
  bool is_time_text = false;       // kJson: a $lastUpdated.
};

std::string_view OperatorOf(Comparison comparison) {
  switch (comparison) {
    case Comparison::kEqual: return "=";
    case Comparison::kNotEqual: return "<>";
    case Comparison::kLess: return "<";
    case Comparison::kLessEqual: return "<=";
    case Comparison::kGreater: return ">";
    case Comparison::kGreaterEqual: return ">=";
  }
  return "=";
}

Comparison Mirror(Comparison comparison) {
  switch (comparison) {
    case Comparison::kLess: return Comparison::kGreater;
    case Comparison::kLessEqual: return Comparison::kGreaterEqual;
    case Comparison::kGreater: return Comparison::kLess;
    case Comparison::kGreaterEqual: return Comparison::kLessEqual;
    default: return comparison;
  }
}

bool IsOrder(Comparison comparison) { return comparison != Comparison::kEqual && comparison != Comparison::kNotEqual; }

class Compiler {
 public:
  Compiler(std::span<const Column> columns, int first_parameter, std::string_view reason)
      : columns_(columns), first_parameter_(first_parameter), reason_(reason) {}

  // Three-valued: SQL NULL is undefined. With `is_truth_enough` false and NULL may stand for each other, because only
  // AND, OR and the row test see the result.
  absl::StatusOr<std::string> Boolean(const Expr& expr, bool is_truth_enough) {
    switch (expr.kind) {
      case Expr::Kind::kAnd:
      case Expr::Kind::kOr: return Connect(expr, is_truth_enough);
      case Expr::Kind::kNot: {
        FLEETCAST_ASSIGN_OR_RETURN(const std::string inner, Boolean(expr.args[0], false));
        return absl::StrCat("(NOT ", inner, ")");
      }
      case Expr::Kind::kCompare: return CompareExpr(expr, is_truth_enough);
      case Expr::Kind::kIn: return In(expr, is_truth_enough);
      case Expr::Kind::kCall: return Call(expr);
      default: break;
    }
    FLEETCAST_ASSIGN_OR_RETURN(const Operand operand, Value_(expr));
    return AsBoolean(operand);
  }

  absl::StatusOr<std::string> Json(const Path& path) { return AsJson(Locate(path), {}); }

  // Numbers the parameters that `text` still uses: PostgreSQL refuses parameters that occur nowhere.
  Sql Take(std::string_view text) {
    Sql sql;
    sql.uses = uses_;
    std::vector<size_t> number_of(parameters_.size(), 0);
    while (true) {
      const size_t at = text.find('$');
      sql.text.append(text.substr(0, at));
      if (at == std::string_view::npos) return sql;
      size_t index = 0;
      const auto [end, error] = std::from_chars(text.data() + at + 1, text.data() + text.size(), index);
      if (error != std::errc()) {  // A $ of a jsonpath.
        sql.text.push_back('$');
        text.remove_prefix(at + 1);
        continue;
      }
      if (number_of[index] == 0) {
        sql.parameters.push_back(std::move(parameters_[index]));
        number_of[index] = sql.parameters.size();
      }
      absl::StrAppend(&sql.text, "$", static_cast<size_t>(first_parameter_) + number_of[index] - 1);
      text.remove_prefix(static_cast<size_t>(end - text.data()));
    }
  }

 private:
  // "$index::type"; Take gives the final number.
  std::string Parameter(std::string value, std::string_view type) {
    parameters_.push_back(std::move(value));
    return absl::StrCat("$", parameters_.size() - 1, "::", Absl(type));
  }

  absl::Status NotYet(Position position, std::string_view what) const {
    return ErrorAt(reason_, position, absl::StrCat(Absl(what), " is not supported yet"));
  }

  // --- Operands ---

  absl::StatusOr<Operand> Value_(const Expr& expr) {
    Operand operand;
    switch (expr.kind) {
      case Expr::Kind::kUndefined: return operand;
      case Expr::Kind::kLiteral:
        operand.type = Operand::Type::kLiteral;
        operand.literal = &expr.literal;
        return operand;
      case Expr::Kind::kPath: return Locate(expr.path);
      case Expr::Kind::kList: operand.type = Operand::Type::kObject; return operand;
      case Expr::Kind::kSign:
      case Expr::Kind::kArithmetic: return NotYet(expr.position, "arithmetic");
      default: break;
    }
    FLEETCAST_ASSIGN_OR_RETURN(operand.sql, Boolean(expr, false));
    operand.type = Operand::Type::kBool;
    return operand;
  }

  // How many segments of `path` the column's path takes; 0 when it does not fit.
  static size_t Fit(const Path& path, std::string_view column) {
    size_t count = 0;
    while (true) {
      const size_t dot = column.find('.');
      if (count == path.size() || path[count].is_index || path[count].name != column.substr(0, dot)) return 0;
      ++count;
      if (dot == std::string_view::npos) return count;
      column.remove_prefix(dot + 1);
    }
  }

  Operand Locate(const Path& path) {
    const Column* best = nullptr;
    size_t best_count = 0;
    for (const Column& column : columns_) {
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
    operand.sql = std::string(best->sql);
    switch (best->type) {
      case ColumnType::kText: operand.type = Operand::Type::kText; break;
      case ColumnType::kBool: operand.type = Operand::Type::kBool; break;
      case ColumnType::kNumber: operand.type = Operand::Type::kNumber; break;
      case ColumnType::kTime: operand.type = Operand::Type::kTime; break;
      case ColumnType::kObject: operand.type = Operand::Type::kObject; break;
      case ColumnType::kJson:
        operand.type = Operand::Type::kJson;
        operand.sql = Descend(operand.sql, operand.below);
        operand.is_time_text = IsTimePath(path);
    }
    return operand;
  }

  static bool IsPlainKey(const Segment& segment) {
    return !segment.is_index && segment.name.find_first_not_of("-0123456789") != std::string::npos;
  }

  // `#>` takes "0" for a key as well as for an index, so keys that look like numbers go step by step.
  std::string Descend(std::string sql, const std::vector<Segment>& below) {
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

  // The operand as jsonb.
  absl::StatusOr<std::string> AsJson(const Operand& operand, Position position) {
    switch (operand.type) {
      case Operand::Type::kUndefined: return std::string(kUndefinedJson);
      case Operand::Type::kLiteral: return Parameter(json::Print(*operand.literal), "jsonb");
      case Operand::Type::kJson: return operand.sql;
      case Operand::Type::kTime: return NotYet(position, "this use of a time");
      case Operand::Type::kObject: return NotYet(position, "this use of an object");
      default: return absl::StrCat("to_jsonb(", operand.sql, ")");
    }
  }

  static std::string AsBoolean(const Operand& operand) {
    switch (operand.type) {
      case Operand::Type::kBool: return operand.sql;
      case Operand::Type::kJson:
        return absl::Substitute("(CASE WHEN jsonb_typeof($0) = 'boolean' THEN ($0)::boolean END)", operand.sql);
      case Operand::Type::kLiteral:
        if (operand.literal->is_bool()) return operand.literal->AsBool() ? "TRUE" : "FALSE";
        break;
      default: break;
    }
    return std::string(kUndefinedBoolean);
  }

  // --- Connectives ---

  absl::StatusOr<std::string> Connect(const Expr& expr, bool is_truth_enough) {
    std::vector<std::string> parts;
    for (const Expr& arg : expr.args) {
      FLEETCAST_ASSIGN_OR_RETURN(std::string part, Boolean(arg, is_truth_enough));
      parts.push_back(std::move(part));
    }
    return absl::StrCat("(", absl::StrJoin(parts, expr.kind == Expr::Kind::kAnd ? " AND " : " OR "), ")");
  }

  // --- Comparisons ---

  absl::StatusOr<std::string> CompareExpr(const Expr& expr, bool is_truth_enough) {
    FLEETCAST_ASSIGN_OR_RETURN(Operand left, Value_(expr.args[0]));
    FLEETCAST_ASSIGN_OR_RETURN(Operand right, Value_(expr.args[1]));
    Comparison comparison = expr.comparison;
    using Type = Operand::Type;
    if (left.type == Type::kUndefined || right.type == Type::kUndefined || left.type == Type::kObject ||
        right.type == Type::kObject) {
      return std::string(kUndefinedBoolean);
    }
    if (left.type == Type::kLiteral && right.type == Type::kLiteral) {
      return AsBoolean(Evaluate(expr, Value()));
    }
    if (left.type == Type::kLiteral) {
      std::swap(left, right);
      comparison = Mirror(comparison);
    }
    if (right.type != Type::kLiteral) return CompareOperands(left, right, comparison, expr.position);
    if (is_truth_enough && comparison == Comparison::kEqual && CanContain(left)) {
      return Containment(left, *right.literal);
    }
    return CompareLiteral(left, *right.literal, comparison, expr.position);
  }

  static std::string AsBoolean(const std::optional<Value>& constant) {
    if (!constant) return std::string(kUndefinedBoolean);
    return constant->AsBool() ? "TRUE" : "FALSE";
  }

  // The column against a literal of another type: = is false, != is true, an order is undefined.
  static std::string OtherType(const Operand& operand, Comparison comparison) {
    if (IsOrder(comparison)) return std::string(kUndefinedBoolean);
    return absl::StrCat("(CASE WHEN ", operand.sql, " IS NOT NULL THEN ",
                        comparison == Comparison::kEqual ? "FALSE" : "TRUE", " END)");
  }

  absl::StatusOr<std::string> CompareLiteral(const Operand& left, const Value& literal, Comparison comparison,
                                             Position position) {
    const std::string_view op = OperatorOf(comparison);
    switch (left.type) {
      case Operand::Type::kText:
        if (!literal.is_string()) return OtherType(left, comparison);
        return absl::Substitute("($0 $1 $2 COLLATE \"C\")", left.sql, Absl(op), Parameter(literal.AsString(), "text"));
      case Operand::Type::kBool:
        if (!literal.is_bool()) return OtherType(left, comparison);
        return absl::Substitute("($0 $1 $2)", left.sql, Absl(op), literal.AsBool() ? "TRUE" : "FALSE");
      case Operand::Type::kNumber:
        if (!literal.is_number()) return OtherType(left, comparison);
        return absl::Substitute("($0::numeric $1 $2)", left.sql, Absl(op), Parameter(literal.NumberText(), "numeric"));
      case Operand::Type::kTime: return CompareTime(left, literal, comparison, position);
      default: return CompareJson(left, literal, comparison);
    }
  }

  absl::StatusOr<std::string> CompareTime(const Operand& left, const Value& literal, Comparison comparison,
                                          Position position) {
    if (!literal.is_string()) return OtherType(left, comparison);
    const std::optional<std::string> time = NormalizeTime(literal.AsString());
    if (time) {
      return absl::Substitute("($0 $1 $2)", left.sql, Absl(OperatorOf(comparison)), Parameter(*time, "timestamptz"));
    }
    if (IsOrder(comparison)) return NotYet(position, "the order of a time and a text that is no time");
    return OtherType(left, comparison);  // No text that is no time equals a time's text.
  }

  static std::string CompareJson(const Operand& left, const std::string& literal, Comparison comparison) {
    return absl::Substitute("(CASE WHEN jsonb_typeof($0) NOT IN ('object', 'array') THEN $0 $1 $2 END)", left.sql,
                            Absl(OperatorOf(comparison)), literal);
  }

  std::string CompareJson(const Operand& left, const Value& literal, Comparison comparison) {
    const std::string_view op = OperatorOf(comparison);
    const bool is_time = left.is_time_text && literal.is_string() && NormalizeTime(literal.AsString()).has_value();
    if (is_time) {
      // Times in $metadata have seven digits, all of one form: cut to six they compare as text.
      return absl::Substitute(
          "(CASE WHEN jsonb_typeof($0) = 'string' THEN left($0 #>> '{}', 26) COLLATE \"C\" $1 left($2, 26) COLLATE "
          "\"C\" END)",
          left.sql, Absl(op), Parameter(*NormalizeTime(literal.AsString()), "text"));
    }
    if (!IsOrder(comparison)) {
      return CompareJson(left, Parameter(json::Print(literal), "jsonb"), comparison);
    }
    switch (literal.kind()) {
      case json::Kind::kNumber:
        return absl::Substitute("(CASE WHEN jsonb_typeof($0) = 'number' THEN ($0)::numeric $1 $2 END)", left.sql,
                                Absl(op), Parameter(literal.NumberText(), "numeric"));
      case json::Kind::kString:
        return absl::Substitute("(CASE WHEN jsonb_typeof($0) = 'string' THEN ($0 #>> '{}') COLLATE \"C\" $1 $2 END)",
                                left.sql, Absl(op), Parameter(literal.AsString(), "text"));
      case json::Kind::kBool:
        return absl::Substitute("(CASE WHEN jsonb_typeof($0) = 'boolean' THEN ($0)::boolean $1 $2 END)", left.sql,
                                Absl(op), literal.AsBool() ? "TRUE" : "FALSE");
      default: return std::string(kUndefinedBoolean);
    }
  }

  absl::StatusOr<std::string> CompareOperands(const Operand& left, const Operand& right, Comparison comparison,
                                              Position position) {
    if (left.is_time_text || right.is_time_text || left.type == Operand::Type::kTime ||
        right.type == Operand::Type::kTime) {
      return NotYet(position, "comparing a time with another member");
    }
    FLEETCAST_ASSIGN_OR_RETURN(const std::string a, AsJson(left, position));
    FLEETCAST_ASSIGN_OR_RETURN(const std::string b, AsJson(right, position));
    const std::string_view op = OperatorOf(comparison);
    if (!IsOrder(comparison)) {
      return absl::Substitute(
          "(CASE WHEN jsonb_typeof($0) NOT IN ('object', 'array') AND jsonb_typeof($1) NOT IN ('object', 'array') "
          "THEN $0 $2 $1 END)",
          a, b, Absl(op));
    }
    return absl::Substitute(
        "(CASE WHEN jsonb_typeof($0) <> jsonb_typeof($1) THEN NULL "
        "WHEN jsonb_typeof($0) = 'number' THEN ($0)::numeric $2 ($1)::numeric "
        "WHEN jsonb_typeof($0) = 'string' THEN ($0 #>> '{}') COLLATE \"C\" $2 ($1 #>> '{}') COLLATE \"C\" "
        "WHEN jsonb_typeof($0) = 'boolean' THEN ($0)::boolean $2 ($1)::boolean END)",
        a, b, Absl(op));
  }

  // --- Containment ---

  static bool CanContain(const Operand& operand) {
    return operand.type == Operand::Type::kJson && operand.column->has_containment_index && !operand.below.empty() &&
           std::none_of(operand.below.begin(), operand.below.end(), [](const Segment& s) { return s.is_index; });
  }

  // True exactly when the path holds `literal`; NULL never.
  std::string Containment(const Operand& left, const Value& literal) {
    std::string document = json::Print(literal);
    for (auto it = left.below.rbegin(); it != left.below.rend(); ++it) {
      document = absl::StrCat("{", json::Quote(it->name), ":", document, "}");
    }
    return absl::StrCat("(", Absl(left.column->sql), " @> ", Parameter(std::move(document), "jsonb"), ")");
  }

  // --- IN ---

  absl::StatusOr<std::string> In(const Expr& expr, bool is_truth_enough) {
    FLEETCAST_ASSIGN_OR_RETURN(const Operand subject, Value_(expr.args[0]));
    if (subject.type == Operand::Type::kUndefined) return std::string(kUndefinedBoolean);
    std::vector<const Value*> literals;
    for (size_t i = 1; i < expr.args.size(); ++i) {
      const Expr& element = expr.args[i];
      // A list or undefined equals nothing.
      if (element.kind == Expr::Kind::kList || element.kind == Expr::Kind::kUndefined) continue;
      if (element.kind != Expr::Kind::kLiteral) return NotYet(element.position, "a list element that is no literal");
      literals.push_back(&element.literal);
    }
    FLEETCAST_ASSIGN_OR_RETURN(const std::string test,
                               Membership(subject, literals, is_truth_enough && !expr.is_negated, expr));
    return expr.is_negated ? absl::StrCat("(NOT ", test, ")") : test;
  }

  absl::StatusOr<std::string> Membership(const Operand& subject, const std::vector<const Value*>& literals,
                                         bool is_truth_enough, const Expr& expr) {
    if (is_truth_enough && CanContain(subject) && !literals.empty() && literals.size() <= kContainmentListMax) {
      std::vector<std::string> parts;
      for (const Value* literal : literals) parts.push_back(Containment(subject, *literal));
      return absl::StrCat("(", absl::StrJoin(parts, " OR "), ")");
    }
    switch (subject.type) {
      case Operand::Type::kLiteral: return AsBoolean(LiteralIn(*subject.literal, literals));
      case Operand::Type::kObject: return std::string("FALSE");
      case Operand::Type::kTime: return NotYet(expr.position, "a time with IN");
      case Operand::Type::kText: return TextMembership(subject, literals);
      default: break;
    }
    if (subject.is_time_text) return NotYet(expr.position, "a time with IN");
    std::vector<std::string> elements;
    for (const Value* literal : literals) elements.push_back(json::Print(*literal));
    FLEETCAST_ASSIGN_OR_RETURN(const std::string value, AsJson(subject, expr.position));
    return absl::Substitute("(CASE WHEN $0 IS NOT NULL THEN $0 = ANY($1) END)", value,
                            Parameter(ArrayLiteral(elements), "jsonb[]"));
  }

  static std::optional<Value> LiteralIn(const Value& subject, const std::vector<const Value*>& literals) {
    return Value::Bool(std::any_of(literals.begin(), literals.end(), [&](const Value* v) { return *v == subject; }));
  }

  std::string TextMembership(const Operand& subject, const std::vector<const Value*>& literals) {
    std::vector<std::string> elements;
    for (const Value* literal : literals) {
      if (literal->is_string()) elements.push_back(literal->AsString());
    }
    if (elements.empty()) return OtherType(subject, Comparison::kEqual);
    return absl::StrCat("(", subject.sql, " = ANY(", Parameter(ArrayLiteral(elements), "text[]"), "))");
  }

  // --- Functions ---

  absl::StatusOr<std::string> Call(const Expr& expr) {
    FLEETCAST_ASSIGN_OR_RETURN(const Operand subject, Value_(expr.args[0]));
    if (expr.args.size() == 1) return TypeTest(expr.function, subject);
    FLEETCAST_ASSIGN_OR_RETURN(const Operand part, Value_(expr.args[1]));
    if (subject.type == Operand::Type::kUndefined || part.type == Operand::Type::kUndefined) {
      return std::string(kUndefinedBoolean);
    }
    if (part.type != Operand::Type::kLiteral)
      return NotYet(expr.args[1].position, "a second argument that is no literal");
    if (expr.function == Function::kArrayContains) return ArrayContains(subject, *part.literal);
    if (!part.literal->is_string()) return std::string(kUndefinedBoolean);
    return TextFunction(expr.function, subject, part.literal->AsString());
  }

  static std::string_view TypeName(Function function) {
    switch (function) {
      case Function::kIsNull: return "null";
      case Function::kIsNumber: return "number";
      case Function::kIsString: return "string";
      case Function::kIsBool: return "boolean";
      case Function::kIsObject: return "object";
      default: return "array";
    }
  }

  static std::string_view TypeOf(const Operand& operand) {
    switch (operand.type) {
      case Operand::Type::kBool: return "boolean";
      case Operand::Type::kNumber: return "number";
      case Operand::Type::kObject: return "object";
      default: return "string";  // Text and times.
    }
  }

  absl::StatusOr<std::string> TypeTest(Function function, const Operand& subject) {
    using Type = Operand::Type;
    if (subject.type == Type::kUndefined) return std::string("FALSE");
    if (subject.type == Type::kJson) {
      if (function == Function::kIsDefined) return absl::StrCat("(", subject.sql, " IS NOT NULL)");
      if (function == Function::kIsPrimitive) {
        return absl::Substitute("coalesce(jsonb_typeof($0) NOT IN ('object', 'array'), FALSE)", subject.sql);
      }
      return absl::Substitute("coalesce(jsonb_typeof($0) = '$1', FALSE)", subject.sql, Absl(TypeName(function)));
    }
    if (subject.type == Type::kLiteral) {
      Expr call;
      call.kind = Expr::Kind::kCall;
      call.function = function;
      call.args.resize(1);
      call.args[0].kind = Expr::Kind::kLiteral;
      call.args[0].literal = *subject.literal;
      return AsBoolean(Evaluate(call, Value()));
    }
    const std::string_view type = TypeOf(subject);
    const bool holds = function == Function::kIsDefined ||
                       (function == Function::kIsPrimitive ? type != "object" : type == TypeName(function));
    if (!holds) return std::string("FALSE");
    return subject.type == Type::kObject ? std::string("TRUE") : absl::StrCat("(", subject.sql, " IS NOT NULL)");
  }

  absl::StatusOr<std::string> ArrayContains(const Operand& subject, const Value& wanted) {
    if (subject.type != Operand::Type::kJson) return std::string(kUndefinedBoolean);
    return absl::Substitute("(CASE WHEN jsonb_typeof($0) = 'array' THEN $0 @> $1 END)", subject.sql,
                            Parameter(absl::StrCat("[", json::Print(wanted), "]"), "jsonb"));
  }

  absl::StatusOr<std::string> TextFunction(Function function, const Operand& subject, const std::string& part) {
    std::string text;
    switch (subject.type) {
      case Operand::Type::kText: text = subject.sql; break;
      case Operand::Type::kJson:
        text = absl::Substitute("(CASE WHEN jsonb_typeof($0) = 'string' THEN $0 #>> '{}' END)", subject.sql);
        break;
      case Operand::Type::kLiteral:
        if (subject.literal->is_string()) {
          text = Parameter(subject.literal->AsString(), "text");
          break;
        }
        return std::string(kUndefinedBoolean);
      case Operand::Type::kTime: return NotYet({}, "a text function on a time");
      default: return std::string(kUndefinedBoolean);
    }
    const std::string argument = Parameter(part, "text");
    if (function == Function::kStartsWith) return absl::Substitute("($0 ^@ $1)", text, argument);
    if (function == Function::kEndsWith) return absl::Substitute("(right($0, length($1)) = $1)", text, argument);
    return absl::Substitute("(strpos($0, $1) > 0)", text, argument);
  }

  const std::span<const Column> columns_;
  const int first_parameter_;
  const std::string_view reason_;
  std::vector<std::string> parameters_;
  uint32_t uses_ = 0;
};

}  // namespace

absl::StatusOr<Sql> CompileCondition(const Expr& expr, std::span<const Column> columns, int first_parameter,
                                     std::string_view reason) {
  Compiler compiler(columns, first_parameter, reason);
  FLEETCAST_ASSIGN_OR_RETURN(const std::string text, compiler.Boolean(expr, true));
  return compiler.Take(text);
}

absl::StatusOr<Sql> CompilePath(const Path& path, std::span<const Column> columns, int first_parameter,
                                std::string_view reason) {
  Compiler compiler(columns, first_parameter, reason);
  FLEETCAST_ASSIGN_OR_RETURN(const std::string text, compiler.Json(path));
  return compiler.Take(text);
}

std::string ArrayLiteral(const std::vector<std::string>& elements) {
  std::string out = "{";
  for (const std::string& element : elements) {
    if (out.size() > 1) out.push_back(',');
    out.push_back('"');
    for (const char c : element) {
      if (c == '"' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
    out.push_back('"');
  }
  out.push_back('}');
  return out;
}

}  // namespace fleetcast::query
