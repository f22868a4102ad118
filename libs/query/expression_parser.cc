#include "libs/query/expression_parser.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/query/functions.h"
#include "libs/query/names.h"

namespace fleetcast::query {
namespace {

// The words of the language, and DISTINCT, which would otherwise read as a path with an alias.
constexpr std::string_view kReserved[] = {
    "SELECT", "TOP",  "FROM",      "WHERE", "GROUP", "BY",  "AS",  "AND", "OR",    "NOT", "IN",   "NIN", "TRUE",
    "FALSE",  "NULL", "UNDEFINED", "COUNT", "AVG",   "SUM", "MIN", "MAX", "ORDER", "ASC", "DESC", "ALL", "DISTINCT"};

constexpr std::pair<std::string_view, Aggregate> kAggregates[] = {{"COUNT", Aggregate::kCount},
                                                                  {"AVG", Aggregate::kAvg},
                                                                  {"SUM", Aggregate::kSum},
                                                                  {"MIN", Aggregate::kMin},
                                                                  {"MAX", Aggregate::kMax}};

constexpr std::pair<std::string_view, Comparison> kComparisons[] = {
    {"=", Comparison::kEqual},      {"!=", Comparison::kNotEqual}, {"<", Comparison::kLess},
    {"<=", Comparison::kLessEqual}, {">", Comparison::kGreater},   {">=", Comparison::kGreaterEqual}};

// Twins are at most 10 levels deep below their section, method answers 32.
constexpr size_t kSegmentsMax = 64;
// Calls within calls. The time that PostgreSQL takes to plan them grows with the cube of their number.
constexpr int kCallDepthMax = 64;

}  // namespace

Aggregate FindAggregate(std::string_view name) {
  for (const auto& [known, aggregate] : kAggregates) {
    if (IsSame(known, name)) return aggregate;
  }
  return Aggregate::kNone;
}

bool ExpressionParser::IsWord(std::string_view word) const {
  return Now().kind == Token::Kind::kName && IsSame(Now().text, word);
}

bool ExpressionParser::IsReservedWord() const {
  return Now().kind == Token::Kind::kName &&
         std::any_of(std::begin(kReserved), std::end(kReserved), [&](std::string_view word) { return IsWord(word); });
}

absl::Status ExpressionParser::Unexpected() const {
  if (IsEnd()) return Error("Unexpected end of the text");
  return Error(absl::StrCat("Unexpected character at input ", json::Quote(json::ClipUtf8(Now().text, 64))));
}

absl::Status ExpressionParser::Extension(std::string_view what) const {
  if (!is_strict()) return absl::OkStatus();
  return Error(absl::StrCat(Absl(what), " is not part of the strict profile"));
}

absl::Status ExpressionParser::Enter() {
  if (++depth_ > limits_.depth_max) return Error(absl::StrCat("nested deeper than ", limits_.depth_max, " levels"));
  return absl::OkStatus();
}

absl::Status ExpressionParser::CountTerm() {
  if (++terms_ > limits_.terms_max) return Error(absl::StrCat("more than ", limits_.terms_max, " terms"));
  return absl::OkStatus();
}

Expr ExpressionParser::Make(Expr::Kind kind, Position position) const {
  Expr expr;
  expr.kind = kind;
  expr.position = position;
  return expr;
}

Expr ExpressionParser::Literal(json::Value value) {
  Expr expr = Make(Expr::Kind::kLiteral, Take().position);
  expr.literal = std::move(value);
  return expr;
}

absl::StatusOr<Expr> ExpressionParser::Expression() {
  return Chain(Expr::Kind::kOr, "OR", &ExpressionParser::AndChain);
}
absl::StatusOr<Expr> ExpressionParser::AndChain() { return Chain(Expr::Kind::kAnd, "AND", &ExpressionParser::Not); }

absl::StatusOr<Expr> ExpressionParser::Chain(Expr::Kind kind, std::string_view word, Rule part) {
  const Position position = Now().position;
  FLEETCAST_ASSIGN_OR_RETURN(Expr first, (this->*part)());
  if (!IsWord(word)) return first;
  Expr chain = Make(kind, position);
  chain.args.push_back(std::move(first));
  while (TakeWord(word)) {
    FLEETCAST_ASSIGN_OR_RETURN(Expr next, (this->*part)());
    chain.args.push_back(std::move(next));
  }
  return chain;
}

absl::StatusOr<Expr> ExpressionParser::Not() {
  const Position position = Now().position;
  if (!TakeWord("NOT")) return Predicate();
  FLEETCAST_RETURN_IF_ERROR(Enter());
  Expr expr = Make(Expr::Kind::kNot, position);
  FLEETCAST_ASSIGN_OR_RETURN(Expr inner, Not());
  expr.args.push_back(std::move(inner));
  --depth_;
  return expr;
}

absl::StatusOr<Expr> ExpressionParser::Predicate() {
  FLEETCAST_ASSIGN_OR_RETURN(Expr left, Additive());
  const Position position = Now().position;
  if (left.kind != Expr::Kind::kLiteral) FLEETCAST_RETURN_IF_ERROR(CountTerm());
  const bool is_not_in = IsWord("NOT") && Ahead().kind == Token::Kind::kName && IsSame(Ahead().text, "IN");
  if (is_not_in || IsWord("IN") || IsWord("NIN")) return Membership(std::move(left));
  for (const auto& [symbol, comparison] : kComparisons) {
    if (!IsSymbol(symbol)) continue;
    Take();
    FLEETCAST_RETURN_IF_ERROR(CountTerm());
    Expr expr = Make(Expr::Kind::kCompare, position);
    expr.comparison = comparison;
    FLEETCAST_ASSIGN_OR_RETURN(Expr right, Additive());
    expr.args.push_back(std::move(left));
    expr.args.push_back(std::move(right));
    return expr;
  }
  return left;
}

absl::StatusOr<Expr> ExpressionParser::Membership(Expr subject) {
  Expr expr = Make(Expr::Kind::kIn, Now().position);
  if (IsWord("NOT")) {
    FLEETCAST_RETURN_IF_ERROR(Extension("NOT IN"));
    Take();
    expr.is_negated = true;
  }
  expr.is_negated |= IsWord("NIN");
  Take();
  expr.args.push_back(std::move(subject));
  FLEETCAST_RETURN_IF_ERROR(InList(expr.args));
  return expr;
}

absl::Status ExpressionParser::InList(std::vector<Expr>& out) {
  if (TakeSymbol("[")) return Elements("]", out);
  if (!IsSymbol("(")) return Error("IN needs a list in square brackets");
  FLEETCAST_RETURN_IF_ERROR(Extension("a list in round brackets"));
  Take();
  if (IsSymbol(")")) return Unexpected();
  return Elements(")", out);
}

// The elements up to and including `close`.
absl::Status ExpressionParser::Elements(std::string_view close, std::vector<Expr>& out) {
  if (TakeSymbol(close)) return absl::OkStatus();
  FLEETCAST_RETURN_IF_ERROR(Enter());
  int count = 0;
  do {
    if (++count > limits_.list_max) return Error(absl::StrCat("a list of more than ", limits_.list_max, " elements"));
    FLEETCAST_ASSIGN_OR_RETURN(Expr element, Expression());
    out.push_back(std::move(element));
  } while (TakeSymbol(","));
  --depth_;
  return ExpectSymbol(close);
}

absl::StatusOr<Expr> ExpressionParser::Additive() {
  FLEETCAST_ASSIGN_OR_RETURN(Expr left, Multiplicative());
  const int depth = depth_;
  while (IsSymbol("+") || IsSymbol("-")) {
    const Arithmetic arithmetic = IsSymbol("+") ? Arithmetic::kAdd : Arithmetic::kSubtract;
    FLEETCAST_ASSIGN_OR_RETURN(left, Operation(std::move(left), arithmetic, &ExpressionParser::Multiplicative));
  }
  depth_ = depth;
  return left;
}

absl::StatusOr<Expr> ExpressionParser::Multiplicative() {
  FLEETCAST_ASSIGN_OR_RETURN(Expr left, Unary());
  const int depth = depth_;
  while (IsSymbol("*") || IsSymbol("/") || IsSymbol("%")) {
    const Arithmetic arithmetic = IsSymbol("*")   ? Arithmetic::kMultiply
                                  : IsSymbol("/") ? Arithmetic::kDivide
                                                  : Arithmetic::kRemainder;
    FLEETCAST_ASSIGN_OR_RETURN(left, Operation(std::move(left), arithmetic, &ExpressionParser::Unary));
  }
  depth_ = depth;
  return left;
}

absl::StatusOr<Expr> ExpressionParser::Operation(Expr left, Arithmetic arithmetic, Rule operand) {
  FLEETCAST_RETURN_IF_ERROR(CountTerm());
  FLEETCAST_RETURN_IF_ERROR(Enter());  // The left operand goes down one level.
  Expr expr = Make(Expr::Kind::kArithmetic, Take().position);
  expr.arithmetic = arithmetic;
  FLEETCAST_ASSIGN_OR_RETURN(Expr right, (this->*operand)());
  expr.args.push_back(std::move(left));
  expr.args.push_back(std::move(right));
  return expr;
}

absl::StatusOr<Expr> ExpressionParser::Unary() {
  const Position position = Now().position;
  if (!IsSymbol("-") && !IsSymbol("+")) return Primary();
  const bool is_before_number = Ahead().kind == Token::Kind::kNumber;
  if (!is_before_number) FLEETCAST_RETURN_IF_ERROR(Extension("a sign before anything but a number"));
  const bool is_minus = Take().text == "-";
  FLEETCAST_ASSIGN_OR_RETURN(Expr inner, Primary());
  if (inner.kind == Expr::Kind::kLiteral && inner.literal.is_number() && is_before_number) {
    if (is_minus) inner.literal = json::Value::NumberLiteral("-" + inner.literal.NumberText());
    inner.position = position;
    return inner;
  }
  Expr expr = Make(Expr::Kind::kSign, position);
  expr.is_negated = is_minus;
  expr.args.push_back(std::move(inner));
  return expr;
}

absl::StatusOr<Expr> ExpressionParser::Primary() {
  const Position position = Now().position;
  switch (Now().kind) {
    case Token::Kind::kString: return Literal(json::Value::String(Now().text));
    case Token::Kind::kNumber: return Literal(json::Value::NumberLiteral(Now().text));
    case Token::Kind::kQuoted: return PathExpr();
    case Token::Kind::kName: return Named();
    case Token::Kind::kSymbol: break;
    case Token::Kind::kEnd: return Unexpected();
  }
  if (TakeSymbol("[")) {
    Expr list = Make(Expr::Kind::kList, position);
    FLEETCAST_RETURN_IF_ERROR(Elements("]", list.args));
    return list;
  }
  if (!IsSymbol("(")) return Unexpected();
  FLEETCAST_RETURN_IF_ERROR(Enter());
  Take();
  FLEETCAST_ASSIGN_OR_RETURN(Expr inner, Expression());
  FLEETCAST_RETURN_IF_ERROR(ExpectSymbol(")"));
  --depth_;
  return inner;
}

absl::StatusOr<Expr> ExpressionParser::Named() {
  if (IsSymbol(Ahead(), "(")) return Call();
  if (IsWord("TRUE")) return Literal(json::Value::Bool(true));
  if (IsWord("FALSE")) return Literal(json::Value::Bool(false));
  if (IsWord("NULL")) return Literal(json::Value());
  if (IsWord("UNDEFINED")) return Make(Expr::Kind::kUndefined, Take().position);
  return PathExpr();
}

absl::StatusOr<Expr> ExpressionParser::Call() {
  const FunctionInfo* const info = FindFunction(Now().text);
  if (info == nullptr) {
    if (FindAggregate(Now().text) != Aggregate::kNone) return Error("an aggregate is not allowed in a condition");
    return Error(absl::StrCat("unknown function ", json::Quote(json::ClipUtf8(Now().text, 64))));
  }
  if (!info->is_strict) FLEETCAST_RETURN_IF_ERROR(Extension(absl::StrCat("function ", Absl(info->name))));
  const Token name = Take();
  Expr call = Make(Expr::Kind::kCall, name.position);
  call.function = info->function;
  Take();
  FLEETCAST_RETURN_IF_ERROR(CountTerm());
  if (++call_depth_ > kCallDepthMax) return Error(absl::StrCat("more than ", kCallDepthMax, " calls within calls"));
  FLEETCAST_RETURN_IF_ERROR(Elements(")", call.args));
  --call_depth_;
  const int count = static_cast<int>(call.args.size());
  if (count >= info->arguments_min && count <= info->arguments_max) return call;
  const std::string counts = info->arguments_min == info->arguments_max
                                 ? absl::StrCat(info->arguments_min)
                                 : absl::StrCat(info->arguments_min, " to ", info->arguments_max);
  return ErrorAt(
      reason_, name.position,
      absl::StrCat(Absl(info->name), " takes ", counts, info->arguments_max == 1 ? " argument" : " arguments"));
}

absl::StatusOr<Path> ExpressionParser::PathOnly() {
  FLEETCAST_ASSIGN_OR_RETURN(Expr expr, PathExpr());
  return std::move(expr.path);
}

absl::StatusOr<Expr> ExpressionParser::PathExpr() {
  Expr expr = Make(Expr::Kind::kPath, Now().position);
  const bool is_name = Now().kind == Token::Kind::kName && !IsReservedWord();
  if (!is_name && Now().kind != Token::Kind::kQuoted) return Unexpected();
  expr.path.push_back({Take().text});
  while (IsSymbol(".") || IsSymbol("[")) {
    FLEETCAST_RETURN_IF_ERROR(Member(expr.path));
    if (expr.path.size() > kSegmentsMax) return Error(absl::StrCat("a path of more than ", kSegmentsMax, " segments"));
  }
  return expr;
}

absl::Status ExpressionParser::Member(Path& path) {
  if (TakeSymbol("[")) return BracketMember(path);
  Take();
  if (Now().kind != Token::Kind::kName && Now().kind != Token::Kind::kQuoted) return Unexpected();
  if (IsReservedWord()) FLEETCAST_RETURN_IF_ERROR(Extension("a reserved word without [[ ]]"));
  path.push_back({Take().text});
  return absl::OkStatus();
}

absl::Status ExpressionParser::BracketMember(Path& path) {
  FLEETCAST_RETURN_IF_ERROR(Extension("a member in brackets"));
  if (Now().kind == Token::Kind::kString) {
    path.push_back({Take().text});
    return ExpectSymbol("]");
  }
  constexpr size_t kIndexDigitsMax = 6;
  const bool is_index = Now().kind == Token::Kind::kNumber && Now().text.size() <= kIndexDigitsMax &&
                        Now().text.find_first_not_of("0123456789") == std::string::npos;
  if (!is_index) return Unexpected();
  path.push_back({Take().text, true});
  return ExpectSymbol("]");
}

}  // namespace fleetcast::query
