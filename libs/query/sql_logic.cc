#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/substitute.h"
#include "libs/base/strings.h"
#include "libs/query/interpreter.h"
#include "libs/query/sql_compiler.h"

namespace fleetcast::query::internal {
namespace {

using json::Value;

// Above this an IN list is not spread over containment tests, which an index can answer one by one.
constexpr size_t kContainmentListMax = 32;

Comparison Opposite(Comparison comparison) {
  switch (comparison) {
    case Comparison::kEqual: return Comparison::kNotEqual;
    case Comparison::kNotEqual: return Comparison::kEqual;
    case Comparison::kLess: return Comparison::kGreaterEqual;
    case Comparison::kLessEqual: return Comparison::kGreater;
    case Comparison::kGreater: return Comparison::kLessEqual;
    case Comparison::kGreaterEqual: return Comparison::kLess;
  }
  return comparison;
}

std::string AnyOf(std::vector<std::string> parts) {
  if (parts.empty()) return "FALSE";
  if (parts.size() == 1) return std::move(parts[0]);
  return absl::StrCat("(", absl::StrJoin(parts, " OR "), ")");
}

}  // namespace

std::string Compiler::Connect(const Expr& expr, bool is_and, const std::function<std::string(const Expr&)>& part) {
  std::vector<std::string> parts;
  for (const Expr& arg : expr.args) parts.push_back(part(arg));
  return absl::StrCat("(", absl::StrJoin(parts, is_and ? " AND " : " OR "), ")");
}

// NOT goes down to the leaves: in three-valued logic NOT (a AND b) is NOT a OR NOT b, and NOT a < b is a >= b, for
// what is undefined stays undefined. So an index can answer what stands below NOT.
std::string Compiler::Truth(const Expr& expr, bool is_negated) {
  is_indexed_ = false;
  switch (expr.kind) {
    case Expr::Kind::kAnd:
    case Expr::Kind::kOr: return TruthOfAll(expr, (expr.kind == Expr::Kind::kAnd) != is_negated, is_negated);
    case Expr::Kind::kNot: return Truth(expr.args[0], !is_negated);
    case Expr::Kind::kCompare:
      return Compare(expr, is_negated ? Opposite(expr.comparison) : expr.comparison, Want::kTruth);
    case Expr::Kind::kIn: return In(expr, expr.is_negated != is_negated, Want::kTruth);
    case Expr::Kind::kCall:
      if (expr.function == Function::kArrayContains && !is_negated) return ArrayContains(expr, Want::kTruth);
      if (expr.function == Function::kStartsWith && !is_negated) {
        std::string test = Boolean(expr);
        is_indexed_ = Compile(expr.args[0]).is_indexed;
        return test;
      }
      break;
    default: break;
  }
  const std::string value = Boolean(expr);
  return is_negated ? absl::StrCat("(NOT ", value, ")") : value;
}

// One part that an index finds is enough for AND; OR needs all of them.
std::string Compiler::TruthOfAll(const Expr& expr, bool is_and, bool is_negated) {
  bool is_any_indexed = false;
  bool are_all_indexed = true;
  std::string all = Connect(expr, is_and, [&](const Expr& arg) {
    std::string part = Truth(arg, is_negated);
    is_any_indexed |= is_indexed_;
    are_all_indexed &= is_indexed_;
    return part;
  });
  is_indexed_ = is_and ? is_any_indexed : are_all_indexed;
  return all;
}

std::string Compiler::In(const Expr& expr, bool is_negated, Want want) {
  return InElements(Compile(expr.args[0]), expr.args.data() + 1, expr.args.size() - 1, is_negated, want);
}

// Undefined only when the subject is.
std::string Compiler::InElements(const Operand& operand, const Expr* elements, size_t count, bool is_negated,
                                 Want want) {
  if (operand.type == Type::kUndefined) return std::string(kUndefinedBoolean);
  return Bind(operand, [&](const Operand& subject) {
    const bool is_plain = want == Want::kTruth && !is_negated;
    const std::string found = FoundIn(subject, elements, count, is_plain ? Want::kTruth : Want::kThreeValues);
    if (is_plain) return found;
    return absl::StrCat("(CASE WHEN ", Defined(subject), " THEN ", is_negated ? "NOT " : "", "coalesce(", found,
                        ", FALSE) END)");
  });
}

// True exactly when the subject equals an element.
std::string Compiler::FoundIn(const Operand& subject, const Expr* elements, size_t count, Want want) {
  if (subject.is_incomparable()) return "FALSE";
  std::vector<const Value*> literals;
  std::vector<std::string> parts;
  for (const Expr* element = elements; element != elements + count; ++element) {
    const Operand operand = Compile(*element);
    if (operand.is_incomparable()) continue;  // It equals nothing.
    if (operand.is_literal()) {
      literals.push_back(operand.literal);
    } else {
      parts.push_back(CompareOperands(subject, operand, Comparison::kEqual, Want::kTruth));
    }
  }
  is_indexed_ = false;
  if (!literals.empty()) parts.insert(parts.begin(), FoundInLiterals(subject, literals, want));
  is_indexed_ = is_indexed_ && parts.size() == 1;
  return AnyOf(std::move(parts));
}

std::string Compiler::FoundInLiterals(const Operand& subject, const std::vector<const Value*>& literals, Want want) {
  if (subject.is_time()) return FoundTime(subject, literals);
  if (subject.is_json()) return FoundJson(subject, literals, want);
  std::vector<std::string> texts;
  std::vector<std::string> numbers;
  std::vector<std::string> booleans;
  for (const Value* literal : literals) {
    if (literal->is_string()) texts.push_back(literal->AsString());
    if (literal->is_number()) numbers.push_back(literal->NumberText());
    if (literal->is_bool()) booleans.push_back(literal->AsBool() ? "t" : "f");
    if (subject.is_literal() && *literal == *subject.literal) return "TRUE";
  }
  const auto any = [&](const std::vector<std::string>& elements, std::string_view type) -> std::string {
    if (elements.empty()) return "FALSE";
    return absl::StrCat("(", subject.sql, " = ANY(", Parameter(ArrayLiteral(elements), type), "))");
  };
  switch (subject.type) {
    case Type::kText: return any(texts, "text[] COLLATE \"C\"");
    case Type::kNumber: return any(numbers, "numeric[]");
    case Type::kBool: return any(booleans, "boolean[]");
    default: return "FALSE";
  }
}

// Literals that are times are compared as instants, the others as texts.
std::string Compiler::FoundTime(const Operand& subject, const std::vector<const Value*>& literals) {
  std::vector<std::string> times;
  std::vector<std::string> texts;
  std::vector<const Value*> others;
  for (const Value* literal : literals) {
    const auto time = literal->is_string() ? NormalizeTime(literal->AsString()) : std::nullopt;
    if (time) {
      times.push_back(subject.is_json() ? time->substr(0, time->size() - 1) : *time);
    } else if (literal->is_string()) {
      texts.push_back(literal->AsString());
    } else {
      others.push_back(literal);
    }
  }
  std::vector<std::string> parts;
  if (!times.empty() && subject.is_json()) {
    parts.push_back(absl::Substitute("(left($0, 26) = ANY($1))", AsText(subject),
                                     Parameter(ArrayLiteral(times), "text[] COLLATE \"C\"")));
  } else if (!times.empty()) {
    parts.push_back(absl::Substitute("($0 = ANY($1))", subject.sql, Parameter(ArrayLiteral(times), "timestamptz[]")));
  }
  if (!texts.empty()) {
    parts.push_back(
        absl::Substitute("($0 = ANY($1))", AsText(subject), Parameter(ArrayLiteral(texts), "text[] COLLATE \"C\"")));
  }
  if (!others.empty() && subject.is_json()) parts.push_back(FoundJson(subject, others, Want::kThreeValues));
  return AnyOf(std::move(parts));
}

std::string Compiler::FoundJson(const Operand& subject, const std::vector<const Value*>& literals, Want want) {
  std::vector<std::string> parts;
  if (want == Want::kTruth && CanContain(subject) && !subject.is_indexed && literals.size() <= kContainmentListMax) {
    for (const Value* literal : literals) parts.push_back(Contains(subject, json::Print(*literal)));
    return AnyOf(std::move(parts));
  }
  std::vector<std::string> texts;
  std::vector<std::string> numbers;
  std::vector<std::string> others;
  for (const Value* literal : literals) {
    if (subject.is_indexed && literal->is_string()) {
      texts.push_back(literal->AsString());
    } else if (subject.is_indexed && literal->is_number()) {
      numbers.push_back(literal->NumberText());
    } else {
      others.push_back(json::Print(*literal));
    }
  }
  const auto any = [&](const std::string& sql, const std::vector<std::string>& elements, std::string_view type) {
    if (!elements.empty())
      parts.push_back(absl::StrCat("(", sql, " = ANY(", Parameter(ArrayLiteral(elements), type), "))"));
  };
  is_indexed_ = want == Want::kTruth && subject.is_indexed && others.empty();
  if (!texts.empty()) any(AsText(subject), texts, "text[] COLLATE \"C\"");
  if (!numbers.empty()) any(AsNumber(subject), numbers, "numeric[]");
  any(subject.sql, others, "jsonb[]");
  return AnyOf(std::move(parts));
}

}  // namespace fleetcast::query::internal
