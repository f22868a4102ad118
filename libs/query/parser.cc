// Recursive descent over the tokens, one function per rule of the grammar (query-language.md 3). AND and OR chains
// become one node each, so that only brackets, NOT, signs and calls nest; those are counted.
#include <charconv>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/query/lexer.h"
#include "libs/query/paths.h"
#include "libs/query/query.h"

namespace fleetcast::query {
namespace {

// The words of the language, and DISTINCT, which would otherwise read as a path with an alias.
constexpr std::string_view kReserved[] = {
    "SELECT", "TOP",  "FROM",      "WHERE", "GROUP", "BY",  "AS",  "AND", "OR",    "NOT", "IN",   "NIN", "TRUE",
    "FALSE",  "NULL", "UNDEFINED", "COUNT", "AVG",   "SUM", "MIN", "MAX", "ORDER", "ASC", "DESC", "ALL", "DISTINCT"};

struct FunctionName {
  std::string_view name;
  Function function;
  int arguments;
};

constexpr FunctionName kFunctions[] = {
    {"IS_DEFINED", Function::kIsDefined, 1},  {"IS_NULL", Function::kIsNull, 1},
    {"IS_NUMBER", Function::kIsNumber, 1},    {"IS_STRING", Function::kIsString, 1},
    {"IS_BOOL", Function::kIsBool, 1},        {"IS_OBJECT", Function::kIsObject, 1},
    {"IS_ARRAY", Function::kIsArray, 1},      {"IS_PRIMITIVE", Function::kIsPrimitive, 1},
    {"STARTSWITH", Function::kStartsWith, 2}, {"STARTS_WITH", Function::kStartsWith, 2},
    {"ENDSWITH", Function::kEndsWith, 2},     {"ENDS_WITH", Function::kEndsWith, 2},
    {"CONTAINS", Function::kContains, 2},     {"ARRAY_CONTAINS", Function::kArrayContains, 2}};

// Functions of the language that this version does not execute.
constexpr std::string_view kLaterFunctions[] = {"LOWER",    "UPPER",   "LENGTH", "CONCAT", "SUBSTRING",
                                                "INDEX_OF", "ABS",     "FLOOR",  "SIGN",   "SQRT",
                                                "SQUARE",   "CEILING", "POWER",  "EXP",    "AS_NUMBER"};

constexpr std::pair<std::string_view, Aggregate> kAggregates[] = {{"COUNT", Aggregate::kCount},
                                                                  {"AVG", Aggregate::kAvg},
                                                                  {"SUM", Aggregate::kSum},
                                                                  {"MIN", Aggregate::kMin},
                                                                  {"MAX", Aggregate::kMax}};

constexpr std::pair<std::string_view, Comparison> kComparisons[] = {
    {"=", Comparison::kEqual},      {"!=", Comparison::kNotEqual}, {"<", Comparison::kLess},
    {"<=", Comparison::kLessEqual}, {">", Comparison::kGreater},   {">=", Comparison::kGreaterEqual}};

bool IsSame(std::string_view a, std::string_view b) { return absl::EqualsIgnoreCase(Absl(a), Absl(b)); }

template <typename List>
bool Contains(const List& words, std::string_view name) {
  for (const std::string_view word : words) {
    if (IsSame(word, name)) return true;
  }
  return false;
}

class Parser {
 public:
  Parser(std::vector<Token> tokens, const Limits& limits, std::string_view reason)
      : tokens_(std::move(tokens)), limits_(limits), reason_(reason) {}

  absl::StatusOr<Query> WholeQuery() {
    Query query;
    FLEETCAST_RETURN_IF_ERROR(ExpectWord("SELECT"));
    if (TakeWord("TOP")) {
      FLEETCAST_ASSIGN_OR_RETURN(query.top, Top());
    }
    if (!TakeSymbol("*")) FLEETCAST_RETURN_IF_ERROR(SelectList(query));
    FLEETCAST_ASSIGN_OR_RETURN(query.collection, From());
    if (TakeWord("WHERE")) {
      FLEETCAST_ASSIGN_OR_RETURN(query.where, Expression());
    }
    const Position group = Now().position;
    if (TakeWord("GROUP")) FLEETCAST_RETURN_IF_ERROR(GroupBy(query));
    TakeSymbol(";");
    if (Now().kind != Token::Kind::kEnd) return Unexpected();
    FLEETCAST_RETURN_IF_ERROR(Finish(query, group));
    return query;
  }

  absl::StatusOr<Condition> WholeCondition() {
    Condition condition;
    if (IsWord("SELECT")) return Error("Unexpected character at input 'SELECT': a condition, not a whole query");
    if (IsWord("FROM")) return Error("FROM devices.modules is not supported yet");
    if (!TakeSymbol("*")) {
      FLEETCAST_ASSIGN_OR_RETURN(condition.expression, Expression());
    }
    TakeSymbol(";");
    if (Now().kind != Token::Kind::kEnd) return Unexpected();
    if (condition.expression) CanonicalizeAll(*condition.expression, Collection::kDevices);
    return condition;
  }

 private:
  // --- Tokens ---
  const Token& Now() const { return tokens_[at_]; }
  const Token& Ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token Take() { return at_ + 1 < tokens_.size() ? std::move(tokens_[at_++]) : tokens_[at_]; }
  static bool IsSymbol(const Token& token, std::string_view symbol) {
    return token.kind == Token::Kind::kSymbol && token.text == symbol;
  }
  bool IsSymbol(std::string_view symbol) const { return IsSymbol(Now(), symbol); }
  bool IsWord(std::string_view word) const { return Now().kind == Token::Kind::kName && IsSame(Now().text, word); }
  bool TakeSymbol(std::string_view symbol) { return IsSymbol(symbol) && (Take(), true); }
  bool TakeWord(std::string_view word) { return IsWord(word) && (Take(), true); }

  absl::Status Error(std::string_view message) const { return ErrorAt(reason_, Now().position, message); }
  absl::Status Unexpected() const {
    if (Now().kind == Token::Kind::kEnd) return Error("Unexpected end of the text");
    return Error(absl::StrCat("Unexpected character at input ", json::Quote(json::ClipUtf8(Now().text, 64))));
  }
  absl::Status ExpectSymbol(std::string_view symbol) { return TakeSymbol(symbol) ? absl::OkStatus() : Unexpected(); }
  absl::Status ExpectWord(std::string_view word) { return TakeWord(word) ? absl::OkStatus() : Unexpected(); }

  absl::Status Enter() {
    if (++depth_ > limits_.depth_max) return Error(absl::StrCat("nested deeper than ", limits_.depth_max, " levels"));
    return absl::OkStatus();
  }
  absl::Status CountTerm() {
    if (++terms_ > limits_.terms_max) return Error(absl::StrCat("more than ", limits_.terms_max, " terms"));
    return absl::OkStatus();
  }

  Expr Make(Expr::Kind kind, Position position) const {
    Expr expr;
    expr.kind = kind;
    expr.position = position;
    return expr;
  }

  // --- Clauses ---
  absl::StatusOr<int64_t> Top() {
    int64_t count = 0;
    const std::string& text = Now().text;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const bool is_integer =
        Now().kind == Token::Kind::kNumber && error == std::errc() && end == text.data() + text.size();
    if (!is_integer || count < 1) return Error("TOP needs a whole number of at least 1");
    Take();
    return count;
  }

  absl::Status SelectList(Query& query) {
    int unnamed = 0;
    do {
      SelectItem item;
      item.position = Now().position;
      FLEETCAST_RETURN_IF_ERROR(CountTerm());
      FLEETCAST_RETURN_IF_ERROR(ItemSource(item));
      const bool has_as = TakeWord("AS");
      const bool has_name =
          Now().kind == Token::Kind::kQuoted || (Now().kind == Token::Kind::kName && !Contains(kReserved, Now().text));
      if (has_name) {
        item.name = Take().text;
      } else if (has_as) {
        return Unexpected();
      } else if (item.aggregate != Aggregate::kNone) {
        item.name = absl::StrCat("$", ++unnamed);
      }
      query.items.push_back(std::move(item));
    } while (TakeSymbol(","));
    return absl::OkStatus();
  }

  absl::Status ItemSource(SelectItem& item) {
    if (Now().kind == Token::Kind::kName && IsSymbol(Ahead(), "(")) {
      for (const auto& [name, aggregate] : kAggregates) {
        if (IsSame(name, Now().text)) item.aggregate = aggregate;
      }
      if (item.aggregate == Aggregate::kNone) return Error("only COUNT, AVG, SUM, MIN and MAX may be selected");
      if (item.aggregate != Aggregate::kCount) return Error(absl::StrCat(Now().text, " is not supported yet"));
      Take();
      Take();
      TakeSymbol("*");
      return ExpectSymbol(")");
    }
    FLEETCAST_ASSIGN_OR_RETURN(item.path, PathOnly());
    return absl::OkStatus();
  }

  absl::StatusOr<Collection> From() {
    FLEETCAST_RETURN_IF_ERROR(ExpectWord("FROM"));
    if (!IsWord("devices")) return Error("the collection must be devices or devices.jobs");
    Take();
    if (!TakeSymbol(".")) return Collection::kDevices;
    if (TakeWord("jobs")) return Collection::kJobs;
    if (IsWord("modules")) return Error("devices.modules is not supported yet");
    return Unexpected();
  }

  absl::Status GroupBy(Query& query) {
    FLEETCAST_RETURN_IF_ERROR(ExpectWord("BY"));
    do {
      FLEETCAST_RETURN_IF_ERROR(CountTerm());
      FLEETCAST_ASSIGN_OR_RETURN(Path path, PathOnly());
      query.group_by.push_back(std::move(path));
    } while (TakeSymbol(","));
    return absl::OkStatus();
  }

  absl::StatusOr<Path> PathOnly() {
    FLEETCAST_ASSIGN_OR_RETURN(Expr expr, PathExpr());
    return std::move(expr.path);
  }

  // Rules that need the whole query, and canonical names, which need the collection.
  absl::Status Finish(Query& query, Position group) {
    if (query.where) CanonicalizeAll(*query.where, query.collection);
    for (Path& path : query.group_by) Canonicalize(path, query.collection);
    for (SelectItem& item : query.items) {
      if (!item.path.empty()) Canonicalize(item.path, query.collection);
      if (item.name.empty()) item.name = item.path.back().name;
    }
    if (query.collection == Collection::kJobs && (!query.items.empty() || !query.group_by.empty())) {
      return ErrorAt(reason_, {}, "devices.jobs allows only SELECT * without GROUP BY");
    }
    if (!query.group_by.empty() && query.items.empty()) {
      return ErrorAt(reason_, group, "GROUP BY needs selected paths and aggregates, not *");
    }
    if (!query.is_aggregate()) {
      for (const SelectItem& item : query.items) {
        if (item.aggregate != Aggregate::kNone)
          return ErrorAt(reason_, item.position, "aggregates and paths need GROUP BY");
      }
      return absl::OkStatus();
    }
    for (const SelectItem& item : query.items) {
      if (item.aggregate == Aggregate::kNone && !IsGrouped(query, item.path)) {
        return ErrorAt(reason_, item.position, absl::StrCat(PathText(item.path), " is not in GROUP BY"));
      }
    }
    return absl::OkStatus();
  }

  static bool IsGrouped(const Query& query, const Path& path) {
    for (const Path& key : query.group_by) {
      if (PathText(key) == PathText(path)) return true;
    }
    return false;
  }

  static void CanonicalizeAll(Expr& expr, Collection collection) {
    if (expr.kind == Expr::Kind::kPath) Canonicalize(expr.path, collection);
    for (Expr& arg : expr.args) CanonicalizeAll(arg, collection);
    const bool is_comparison = expr.kind == Expr::Kind::kCompare || expr.kind == Expr::Kind::kIn;
    if (collection != Collection::kJobs || !is_comparison) return;
    for (const Expr& side : expr.args) {
      if (side.kind != Expr::Kind::kPath) continue;
      for (Expr& other : expr.args) CanonicalizeJobLiteral(side.path, other.literal);
    }
  }

  // --- Expressions ---
  absl::StatusOr<Expr> Expression() { return Chain(Expr::Kind::kOr, "OR", &Parser::AndChain); }
  absl::StatusOr<Expr> AndChain() { return Chain(Expr::Kind::kAnd, "AND", &Parser::Not); }

  absl::StatusOr<Expr> Chain(Expr::Kind kind, std::string_view word, absl::StatusOr<Expr> (Parser::*part)()) {
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

  absl::StatusOr<Expr> Not() {
    const Position position = Now().position;
    if (!TakeWord("NOT")) return Predicate();
    FLEETCAST_RETURN_IF_ERROR(Enter());
    Expr expr = Make(Expr::Kind::kNot, position);
    FLEETCAST_ASSIGN_OR_RETURN(Expr inner, Not());
    expr.args.push_back(std::move(inner));
    --depth_;
    return expr;
  }

  absl::StatusOr<Expr> Predicate() {
    FLEETCAST_ASSIGN_OR_RETURN(Expr left, Additive());
    const Position position = Now().position;
    if (left.kind != Expr::Kind::kLiteral) FLEETCAST_RETURN_IF_ERROR(CountTerm());
    const bool is_not_in = IsWord("NOT") && Ahead().kind == Token::Kind::kName && IsSame(Ahead().text, "IN");
    if (is_not_in) Take();
    if (IsWord("IN") || IsWord("NIN")) {
      Expr expr = Make(Expr::Kind::kIn, position);
      expr.is_negated = is_not_in || IsWord("NIN");
      Take();
      expr.args.push_back(std::move(left));
      FLEETCAST_RETURN_IF_ERROR(InList(expr.args));
      return expr;
    }
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

  absl::Status InList(std::vector<Expr>& out) {
    if (TakeSymbol("[")) return Elements("]", out);
    if (!TakeSymbol("(")) return Error("IN needs a list in square brackets");
    if (IsSymbol(")")) return Unexpected();
    return Elements(")", out);
  }

  // The elements up to and including `close`.
  absl::Status Elements(std::string_view close, std::vector<Expr>& out) {
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

  absl::StatusOr<Expr> Additive() {
    FLEETCAST_ASSIGN_OR_RETURN(Expr left, Multiplicative());
    while (IsSymbol("+") || IsSymbol("-")) {
      const Arithmetic arithmetic = IsSymbol("+") ? Arithmetic::kAdd : Arithmetic::kSubtract;
      FLEETCAST_ASSIGN_OR_RETURN(left, Operation(std::move(left), arithmetic, &Parser::Multiplicative));
    }
    return left;
  }

  absl::StatusOr<Expr> Multiplicative() {
    FLEETCAST_ASSIGN_OR_RETURN(Expr left, Unary());
    while (IsSymbol("*") || IsSymbol("/") || IsSymbol("%")) {
      const Arithmetic arithmetic = IsSymbol("*")   ? Arithmetic::kMultiply
                                    : IsSymbol("/") ? Arithmetic::kDivide
                                                    : Arithmetic::kRemainder;
      FLEETCAST_ASSIGN_OR_RETURN(left, Operation(std::move(left), arithmetic, &Parser::Unary));
    }
    return left;
  }

  absl::StatusOr<Expr> Operation(Expr left, Arithmetic arithmetic, absl::StatusOr<Expr> (Parser::*operand)()) {
    FLEETCAST_RETURN_IF_ERROR(CountTerm());
    Expr expr = Make(Expr::Kind::kArithmetic, Take().position);
    expr.arithmetic = arithmetic;
    FLEETCAST_ASSIGN_OR_RETURN(Expr right, (this->*operand)());
    expr.args.push_back(std::move(left));
    expr.args.push_back(std::move(right));
    return expr;
  }

  absl::StatusOr<Expr> Unary() {
    const Position position = Now().position;
    if (!IsSymbol("-") && !IsSymbol("+")) return Primary();
    const bool is_minus = Take().text == "-";
    FLEETCAST_ASSIGN_OR_RETURN(Expr inner, Primary());
    if (inner.kind == Expr::Kind::kLiteral && inner.literal.is_number()) {
      if (is_minus) inner.literal = json::Value::NumberLiteral("-" + inner.literal.NumberText());
      inner.position = position;
      return inner;
    }
    Expr expr = Make(Expr::Kind::kSign, position);
    expr.is_negated = is_minus;
    expr.args.push_back(std::move(inner));
    return expr;
  }

  absl::StatusOr<Expr> Primary() {
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

  Expr Literal(json::Value value) {
    Expr expr = Make(Expr::Kind::kLiteral, Take().position);
    expr.literal = std::move(value);
    return expr;
  }

  absl::StatusOr<Expr> Named() {
    if (IsSymbol(Ahead(), "(")) return Call();
    if (IsWord("TRUE")) return Literal(json::Value::Bool(true));
    if (IsWord("FALSE")) return Literal(json::Value::Bool(false));
    if (IsWord("NULL")) return Literal(json::Value());
    if (IsWord("UNDEFINED")) return Make(Expr::Kind::kUndefined, Take().position);
    return PathExpr();
  }

  absl::StatusOr<Expr> Call() {
    const FunctionName* known = nullptr;
    for (const FunctionName& function : kFunctions) {
      if (IsSame(function.name, Now().text)) known = &function;
    }
    if (known == nullptr) {
      const std::string name = json::Quote(json::ClipUtf8(Now().text, 64));
      if (Contains(kLaterFunctions, Now().text)) return Error(absl::StrCat("function ", name, " is not supported yet"));
      for (const auto& aggregate : kAggregates) {
        if (IsSame(aggregate.first, Now().text)) return Error("an aggregate is not allowed in a condition");
      }
      return Error(absl::StrCat("unknown function ", name));
    }
    const Token name = Take();
    Expr call = Make(Expr::Kind::kCall, name.position);
    call.function = known->function;
    Take();
    FLEETCAST_RETURN_IF_ERROR(Elements(")", call.args));
    if (static_cast<int>(call.args.size()) != known->arguments) {
      return ErrorAt(reason_, name.position,
                     absl::StrCat(Absl(known->name), " takes ", known->arguments, " arguments"));
    }
    return call;
  }

  absl::StatusOr<Expr> PathExpr() {
    Expr expr = Make(Expr::Kind::kPath, Now().position);
    const bool is_name = Now().kind == Token::Kind::kName && !Contains(kReserved, Now().text);
    if (!is_name && Now().kind != Token::Kind::kQuoted) return Unexpected();
    expr.path.push_back({Take().text});
    while (true) {
      if (TakeSymbol(".")) {
        if (Now().kind != Token::Kind::kName && Now().kind != Token::Kind::kQuoted) return Unexpected();
        expr.path.push_back({Take().text});
      } else if (TakeSymbol("[")) {
        FLEETCAST_RETURN_IF_ERROR(BracketMember(expr.path));
      } else {
        break;
      }
      if (expr.path.size() > kSegmentsMax)
        return Error(absl::StrCat("a path of more than ", kSegmentsMax, " segments"));
    }
    return expr;
  }

  absl::Status BracketMember(Path& path) {
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

  // Twins are at most 10 levels deep below their section, method answers 32.
  static constexpr size_t kSegmentsMax = 64;

  std::vector<Token> tokens_;
  const Limits limits_;
  const std::string_view reason_;
  size_t at_ = 0;
  int depth_ = 0;
  int terms_ = 0;
};

}  // namespace

absl::StatusOr<Query> ParseQuery(std::string_view text, const Limits& limits) {
  FLEETCAST_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(text, limits.bytes_max, kInvalidQuery));
  return Parser(std::move(tokens), limits, kInvalidQuery).WholeQuery();
}

absl::StatusOr<Condition> ParseCondition(std::string_view text, const Limits& limits) {
  FLEETCAST_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(text, limits.bytes_max, kInvalidCondition));
  return Parser(std::move(tokens), limits, kInvalidCondition).WholeCondition();
}

}  // namespace fleetcast::query
