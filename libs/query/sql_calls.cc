// Arithmetic and functions. PostgreSQL's numeric computes what numbers.cc computes; each operand stands once in the
// text, and nothing in it can be an error: NULLIF takes the divisor zero and the results that are out of bounds.
#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "libs/base/strings.h"
#include "libs/query/functions.h"
#include "libs/query/numbers.h"
#include "libs/query/sql_compiler.h"

namespace fleetcast::query::internal {
namespace {

using json::Value;

// GREATEST and LEAST skip NULL, so a NULL becomes a bound here, and NULL again.
std::string Bounded(std::string_view sql) {
  return absl::Substitute(
      "nullif(nullif(least(greatest(round($0, $1), -1e308::numeric), 1e308::numeric), 1e308::numeric), "
      "-1e308::numeric)",
      Absl(sql), kPlaces);
}

std::string Rounded(std::string_view sql) { return absl::Substitute("round($0, $1)", Absl(sql), kPlaces); }

// The whole part as an integer for SUBSTRING: NULL below zero.
std::string Position(std::string_view sql) {
  return absl::Substitute("nullif(least(greatest(floor($0), -1), $1), -1)::integer", Absl(sql), kCharactersMax);
}

std::string_view TypeName(Function function) {
  switch (function) {
    case Function::kIsNull: return "null";
    case Function::kIsNumber: return "number";
    case Function::kIsString: return "string";
    case Function::kIsBool: return "boolean";
    case Function::kIsObject: return "object";
    default: return "array";
  }
}

std::string_view TypeOf(const Operand& operand) {
  switch (operand.type) {
    case Operand::Type::kBool: return "boolean";
    case Operand::Type::kNumber: return "number";
    case Operand::Type::kObject: return "object";
    case Operand::Type::kList: return "array";
    default: return "string";  // Texts and times.
  }
}

std::string_view TypeOf(const Value& literal) {
  switch (literal.kind()) {
    case json::Kind::kNull: return "null";
    case json::Kind::kBool: return "boolean";
    case json::Kind::kNumber: return "number";
    case json::Kind::kString: return "string";
    case json::Kind::kArray: return "array";
    case json::Kind::kObject: break;
  }
  return "object";
}

}  // namespace

Operand Compiler::Calculation(const Expr& expr) {
  const std::string a = AsNumber(Compile(expr.args[0]));
  if (expr.kind == Expr::Kind::kSign) {
    return Computed(Type::kNumber, expr.is_negated ? absl::StrCat("(- ", a, ")") : a);
  }
  const std::string b = AsNumber(Compile(expr.args[1]));
  std::string sql;
  switch (expr.arithmetic) {
    case Arithmetic::kAdd: sql = absl::StrCat(a, " + ", b); break;
    case Arithmetic::kSubtract: sql = absl::StrCat(a, " - ", b); break;
    case Arithmetic::kMultiply: sql = absl::StrCat(a, " * ", b); break;
    case Arithmetic::kDivide:
      // div() is exact, unlike the operator, whose digits depend on how the operands were written.
      sql = absl::Substitute("div($0 * 1e$2::numeric, nullif($1, 0)) * 1e-$2::numeric", a, b, kPlaces);
      break;
    case Arithmetic::kRemainder: sql = absl::StrCat("mod(", a, ", nullif(", b, ", 0))"); break;
  }
  return Computed(Type::kNumber, Bounded(sql));
}

Operand Compiler::Call(const Expr& expr) {
  switch (ResultOf(expr.function)) {
    case ResultType::kNumber: return Computed(Type::kNumber, NumberCall(expr));
    case ResultType::kText: return Computed(Type::kText, TextCall(expr));
    case ResultType::kBool: break;
  }
  if (IsTypeTest(expr.function)) return Computed(Type::kBool, TypeTest(expr.function, Compile(expr.args[0])));
  if (expr.function == Function::kArrayContains) {
    return Computed(Type::kBool, ArrayContains(expr, Want::kThreeValues));
  }
  const std::string text = AsText(Compile(expr.args[0]));
  const std::string part = AsText(Compile(expr.args[1]));
  switch (expr.function) {
    case Function::kStartsWith: return Computed(Type::kBool, absl::StrCat("(", text, " ^@ ", part, " COLLATE \"C\")"));
    case Function::kEndsWith:
      return Computed(Type::kBool, absl::Substitute("(reverse($0) ^@ reverse($1) COLLATE \"C\")", text, part));
    default: return Computed(Type::kBool, absl::Substitute("(strpos($0, $1 COLLATE \"C\") > 0)", text, part));
  }
}

std::string Compiler::TypeTest(Function function, const Operand& subject) {
  if (subject.type == Type::kUndefined) return "FALSE";
  if (subject.is_json()) {
    if (function == Function::kIsDefined) return absl::StrCat("(", subject.sql, " IS NOT NULL)");
    if (function == Function::kIsPrimitive) {
      return absl::Substitute("coalesce(jsonb_typeof($0) NOT IN ('object', 'array'), FALSE)", subject.sql);
    }
    return absl::Substitute("coalesce(jsonb_typeof($0) = '$1', FALSE)", subject.sql, Absl(TypeName(function)));
  }
  const std::string_view type = subject.is_literal() ? TypeOf(*subject.literal) : TypeOf(subject);
  const bool is_primitive = type != "object" && type != "array";
  const bool holds = function == Function::kIsDefined ||
                     (function == Function::kIsPrimitive ? is_primitive : type == TypeName(function));
  return holds ? Defined(subject) : "FALSE";
}

std::string Compiler::ArrayContains(const Expr& expr, Want want) {
  const Operand array = Compile(expr.args[0]);
  const Operand wanted = Compile(expr.args[1]);
  if (wanted.is_incomparable()) return std::string(kUndefinedBoolean);
  if (array.type == Type::kList) {
    // Like IN, but undefined for objects and arrays.
    const std::string found =
        InElements(wanted, array.list->args.data(), array.list->args.size(), false, Want::kThreeValues);
    if (!wanted.is_json()) return found;
    return absl::Substitute("(CASE WHEN jsonb_typeof($0) NOT IN ('object', 'array') THEN $1 END)", wanted.sql, found);
  }
  const bool is_literal_array = array.is_literal() && array.literal->is_array();
  if (!array.is_json() && !is_literal_array) return std::string(kUndefinedBoolean);
  if (want == Want::kTruth && wanted.is_literal() && CanContain(array)) {
    return Contains(array, absl::StrCat("[", json::Print(*wanted.literal), "]"));
  }
  const std::string sql = AsJson(array);
  const std::string is_array = array.is_json() ? absl::StrCat("jsonb_typeof(", sql, ") = 'array'") : "TRUE";
  if (wanted.is_literal()) {
    return absl::Substitute("(CASE WHEN $0 THEN $1 @> $2 END)", is_array, sql,
                            Parameter(absl::StrCat("[", json::Print(*wanted.literal), "]"), "jsonb"));
  }
  const std::string is_primitive =
      wanted.is_json() ? absl::StrCat(" AND jsonb_typeof(", wanted.sql, ") NOT IN ('object', 'array')") : "";
  return absl::Substitute("(CASE WHEN $0$1 THEN $2 @> jsonb_insert('[]', '{0}', $3) END)", is_array, is_primitive, sql,
                          AsJson(wanted));
}

std::string Compiler::NumberCall(const Expr& expr) {
  if (expr.function == Function::kPower) return PowerOf(expr);
  const Operand operand = Compile(expr.args[0]);
  switch (expr.function) {
    case Function::kLength: return absl::StrCat("char_length(", AsText(operand), ")::numeric");
    case Function::kIndexOf:
      return absl::Substitute("(strpos($0, $1 COLLATE \"C\") - 1)::numeric", AsText(operand),
                              AsText(Compile(expr.args[1])));
    case Function::kAsNumber: return NumberOfText(operand);
    default: break;
  }
  const std::string number = AsNumber(operand);
  switch (expr.function) {
    case Function::kAbs: return absl::StrCat("abs(", number, ")");
    case Function::kCeiling: return absl::StrCat("ceil(", number, ")");
    case Function::kFloor: return absl::StrCat("floor(", number, ")");
    case Function::kSign: return absl::StrCat("sign(", number, ")");
    case Function::kSquare:
      return Bind(number, [](std::string_view x) { return Bounded(absl::StrCat(Absl(x), " * ", Absl(x))); });
    case Function::kSqrt:
      // With kPlaces places in, sqrt() gives kPlaces places out.
      return absl::Substitute("sqrt(nullif(greatest($0, -1e-$1::numeric), -1e-$1::numeric))", Rounded(number),
                              kPlaces + 1);
    default: break;
  }
  return Bind(Rounded(number), [](std::string_view x) {  // EXP
    return absl::Substitute(
        "(CASE WHEN $0 >= 690.5 THEN NULL WHEN $0 < -700 THEN 0 ELSE round(exp($0::float8)::numeric, $1) END)", Absl(x),
        kPlaces);
  });
}

std::string Compiler::PowerOf(const Expr& expr) {
  const std::string base = Rounded(AsNumber(Compile(expr.args[0])));
  const std::string exponent = Rounded(AsNumber(Compile(expr.args[1])));
  return Bind(base, [&](std::string_view x) {
    return Bind(exponent, [&](std::string_view y) {
      // The logarithm of the result tells whether it can be held, before it is computed.
      return absl::Substitute(
          "(CASE WHEN $0 IS NULL OR $1 IS NULL OR abs($1) > 1000000 OR abs($0) >= 1e308::numeric THEN NULL "
          "WHEN $0 = 0 THEN (CASE WHEN $1 > 0 THEN 0 WHEN $1 = 0 THEN 1 END) "
          "WHEN $0 < 0 AND $1 <> floor($1) THEN NULL "
          "WHEN $1::float8 * ln(abs($0)::float8) > 690.5 THEN NULL "
          "WHEN $1::float8 * ln(abs($0)::float8) < -700 THEN 0 "
          "ELSE round(power($0::float8, $1::float8)::numeric, $2) END)",
          Absl(x), Absl(y), kPlaces);
    });
  });
}

std::string Compiler::NumberOfText(const Operand& operand) {
  const auto of_text = [&](std::string_view text) {
    return absl::Substitute(
        "(CASE WHEN char_length($0) <= $1 AND $0 COLLATE \"C\" ~ "
        "'^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]{1,3})?$$' THEN $2 END)",
        Absl(text), kNumberTextMax, Bounded(absl::StrCat(Absl(text), "::numeric")));
  };
  switch (operand.type) {
    case Type::kNumber: return operand.sql;
    case Type::kText: return Bind(operand.sql, of_text);
    case Type::kTime: return Bind(operand.time_text, of_text);
    case Type::kJson:
      return absl::Substitute("(CASE jsonb_typeof($0) WHEN 'number' THEN ($0)::numeric WHEN 'string' THEN $1 END)",
                              operand.sql, Bind(absl::StrCat("(", operand.sql, " #>> '{}')"), of_text));
    default: return AsNumber(operand);
  }
}

std::string Compiler::TextCall(const Expr& expr) {
  switch (expr.function) {
    case Function::kLower: return absl::StrCat("lower(", AsText(Compile(expr.args[0])), " COLLATE \"C\")");
    case Function::kUpper: return absl::StrCat("upper(", AsText(Compile(expr.args[0])), " COLLATE \"C\")");
    case Function::kSubstring: return Substring(expr);
    default: break;
  }
  std::string all = "(";  // CONCAT
  for (const Expr& arg : expr.args) absl::StrAppend(&all, all.size() > 1 ? " || " : "", AsText(Compile(arg)));
  return all + ")";
}

std::string Compiler::Substring(const Expr& expr) {
  const std::string text = AsText(Compile(expr.args[0]));
  const std::string start = Position(AsNumber(Compile(expr.args[1])));
  if (expr.args.size() < 3) return absl::Substitute("substr($0, $1 + 1)", text, start);
  return absl::Substitute("substr($0, $1 + 1, $2)", text, start, Position(AsNumber(Compile(expr.args[2]))));
}

}  // namespace fleetcast::query::internal
