#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "libs/base/strings.h"
#include "libs/query/interpreter.h"
#include "libs/query/sql_compiler.h"

namespace fleetcast::query::internal {
namespace {

using json::Kind;
using json::Value;

// A day and time to the microsecond, without its Z: what times in documents and NormalizeTime have in common.
constexpr size_t kTimeTextBytes = 26;

absl::string_view OperatorOf(Comparison comparison) {
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

// The type of everything but paths into documents.
Kind KindOf(const Operand& operand) {
  switch (operand.type) {
    case Operand::Type::kLiteral: return operand.literal->kind();
    case Operand::Type::kBool: return Kind::kBool;
    case Operand::Type::kNumber: return Kind::kNumber;
    default: return Kind::kString;  // Texts and times.
  }
}

std::string_view UnequalTypes(Comparison comparison) { return comparison == Comparison::kEqual ? "FALSE" : "TRUE"; }

}  // namespace

std::string Compiler::Compare(const Expr& expr, Comparison comparison, Want want) {
  return CompareOperands(Compile(expr.args[0]), Compile(expr.args[1]), comparison, want);
}

std::string Compiler::CompareOperands(Operand left, Operand right, Comparison comparison, Want want) {
  if (left.is_incomparable() || right.is_incomparable()) return std::string(kUndefinedBoolean);
  if (right.is_time() && !left.is_time()) {
    std::swap(left, right);
    comparison = Mirror(comparison);
  }
  if (left.is_time()) return CompareTime(left, right, comparison);
  if (right.is_json() && !left.is_json()) {
    std::swap(left, right);
    comparison = Mirror(comparison);
  }
  if (left.is_json() && right.is_json()) return CompareTwoJson(left, right, comparison);
  return left.is_json() ? CompareJson(left, right, comparison, want) : CompareTyped(left, right, comparison);
}

// Two operands whose types are known.
std::string Compiler::CompareTyped(const Operand& left, const Operand& right, Comparison comparison) {
  const absl::string_view op = OperatorOf(comparison);
  if (KindOf(left) != KindOf(right)) {
    if (IsOrder(comparison)) return std::string(kUndefinedBoolean);
    return absl::StrCat("(CASE WHEN ", Defined(left), " AND ", Defined(right), " THEN ", Absl(UnequalTypes(comparison)),
                        " END)");
  }
  switch (KindOf(left)) {
    case Kind::kBool: return absl::Substitute("($0 $1 $2)", AsBoolean(left), op, AsBoolean(right));
    case Kind::kNumber: return absl::Substitute("($0 $1 $2)", AsNumber(left), op, AsNumber(right));
    case Kind::kString: return absl::Substitute("($0 $1 $2 COLLATE \"C\")", AsText(left), op, AsText(right));
    default: return std::string(kUndefinedBoolean);  // Two literals: folded before.
  }
}

// A path into a document and an operand of a known type.
std::string Compiler::CompareJson(const Operand& left, const Operand& right, Comparison comparison, Want want) {
  const absl::string_view op = OperatorOf(comparison);
  const Kind kind = KindOf(right);
  const bool is_indexable = left.is_indexed && want == Want::kTruth && comparison == Comparison::kEqual;
  is_indexed_ = is_indexable || (left.is_indexed && want == Want::kTruth && IsOrder(comparison));
  if (IsOrder(comparison) || is_indexable) {
    switch (kind) {
      case Kind::kNumber: return absl::Substitute("($0 $1 $2)", AsNumber(left), op, AsNumber(right));
      case Kind::kString: return absl::Substitute("($0 $1 $2 COLLATE \"C\")", AsText(left), op, AsText(right));
      case Kind::kBool: return absl::Substitute("($0 $1 $2)", AsBoolean(left), op, AsBoolean(right));
      default:
        if (IsOrder(comparison)) return std::string(kUndefinedBoolean);
    }
  }
  if (want == Want::kTruth && comparison == Comparison::kEqual) {
    if (right.is_literal() && CanContain(left)) return Contains(left, json::Print(*right.literal));
    return absl::Substitute("($0 = $1)", left.sql, AsJson(right));  // A primitive never equals an object or an array.
  }
  return absl::Substitute("(CASE WHEN jsonb_typeof($0) NOT IN ('object', 'array') THEN $0 $1 $2 END)", left.sql, op,
                          AsJson(right));
}

std::string Compiler::CompareTwoJson(const Operand& left, const Operand& right, Comparison comparison) {
  const absl::string_view op = OperatorOf(comparison);
  if (!IsOrder(comparison)) {
    return absl::Substitute(
        "(CASE WHEN jsonb_typeof($0) NOT IN ('object', 'array') AND jsonb_typeof($1) NOT IN ('object', 'array') "
        "THEN $0 $2 $1 END)",
        left.sql, right.sql, op);
  }
  return absl::Substitute(
      "(CASE WHEN jsonb_typeof($0) <> jsonb_typeof($1) THEN NULL "
      "WHEN jsonb_typeof($0) = 'number' THEN ($0)::numeric $2 ($1)::numeric "
      "WHEN jsonb_typeof($0) = 'string' THEN ($0 #>> '{}') COLLATE \"C\" $2 ($1 #>> '{}') COLLATE \"C\" "
      "WHEN jsonb_typeof($0) = 'boolean' THEN ($0)::boolean $2 ($1)::boolean END)",
      left.sql, right.sql, op);
}

// --- Times ---

// A time of the system and anything else: instants when both are times, texts otherwise.
std::string Compiler::CompareTime(const Operand& time, const Operand& operand, Comparison comparison) {
  if (!operand.is_json() && KindOf(operand) != Kind::kString) {
    if (IsOrder(comparison)) return std::string(kUndefinedBoolean);
    return absl::StrCat("(CASE WHEN ", Defined(time), " AND ", Defined(operand), " THEN ",
                        Absl(UnequalTypes(comparison)), " END)");
  }
  if (operand.is_literal()) return CompareTimeText(time, operand.literal->AsString(), comparison);
  return Bind(operand, [&](const Operand& other) {
    const auto instant = [&](const Operand& side) {
      return side.type == Type::kTime ? side.sql : InstantOf(AsText(side));
    };
    const std::string texts = absl::Substitute(
        "WHEN $0 IS NOT NULL AND $1 IS NOT NULL THEN "
        "(CASE WHEN $2 IS NOT NULL AND $3 IS NOT NULL THEN $2 $4 $3 ELSE $0 $4 $1 COLLATE \"C\" END)",
        AsText(time), AsText(other), instant(time), instant(other), OperatorOf(comparison));
    if (!other.is_json() || IsOrder(comparison)) return absl::StrCat("(CASE ", texts, " END)");
    return absl::Substitute("(CASE $0 WHEN $1 AND jsonb_typeof($2) NOT IN ('object', 'array') THEN $3 END)", texts,
                            Defined(time), other.sql, Absl(UnequalTypes(comparison)));
  });
}

// Each step is guarded by the ones around it: a text of the right form, a day that its month has, a year that we print.
std::string Compiler::InstantOf(std::string text) {
  const auto cast = [this](std::string_view x) {
    const std::string zoned = absl::Substitute(
        "CASE WHEN char_length($0) = 10 THEN $0 || 'T00:00Z' WHEN $0 COLLATE \"C\" ~ '(Z|[-+][0-9:]{5})$$' THEN $0 "
        "ELSE $0 || 'Z' END",
        Absl(x));
    return Bind(absl::Substitute("regexp_replace($0, '([.][0-9]{6})[0-9]+' COLLATE \"C\", '\\1')::timestamptz", zoned),
                [](std::string_view instant) {
                  return absl::Substitute(
                      "(CASE WHEN $0 >= '0001-01-01T00:00Z'::timestamptz AND $0 < '10000-01-01T00:00Z'::timestamptz "
                      "THEN $0 END)",
                      Absl(instant));
                });
  };
  return Bind(std::move(text), [&](std::string_view x) {
    return absl::Substitute(
        "(CASE WHEN $0 COLLATE \"C\" ~ '^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        "(T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?(Z|[-+](0[0-9]|1[0-5]):[0-5][0-9])?)?$$' THEN "
        "(CASE WHEN substr($0, 9, 2)::integer <= date_part('day', make_date(left($0, 4)::integer, "
        "substr($0, 6, 2)::integer, 1) + '1 month -1 day'::interval) THEN $1 END) END)",
        Absl(x), cast(x));
  });
}

std::string Compiler::CompareTimeText(const Operand& time, const std::string& text, Comparison comparison) {
  const absl::string_view op = OperatorOf(comparison);
  const std::optional<std::string> normal = NormalizeTime(text);
  if (!normal) {
    return absl::Substitute("($0 $1 $2 COLLATE \"C\")", AsText(time), op, Parameter(text, "text"));
  }
  if (time.type == Type::kTime) {
    return absl::Substitute("($0 $1 $2)", time.sql, op, Parameter(*normal, "timestamptz"));
  }
  // Times in $metadata have seven digits, all of one form: cut to six they compare as text.
  return absl::Substitute("(left($0, $1) $2 $3 COLLATE \"C\")", AsText(time), kTimeTextBytes, op,
                          Parameter(normal->substr(0, kTimeTextBytes), "text"));
}

// --- Containment ---

bool Compiler::CanContain(const Operand& operand) {
  return operand.is_json() && operand.column != nullptr && operand.column->has_containment_index &&
         !operand.below.empty() &&
         std::none_of(operand.below.begin(), operand.below.end(), [](const Segment& s) { return s.is_index; });
}

// True exactly when the path holds the primitive, or an array with the elements, that `value` spells; NULL never.
std::string Compiler::Contains(const Operand& left, const std::string& value) {
  is_indexed_ = true;
  std::string document = value;
  for (auto it = left.below.rbegin(); it != left.below.rend(); ++it) {
    document = absl::StrCat("{", json::Quote(it->name), ":", document, "}");
  }
  return absl::StrCat("(", Absl(left.column->sql), " @> ", Parameter(std::move(document), "jsonb"), ")");
}

}  // namespace fleetcast::query::internal
