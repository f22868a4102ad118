// Whole queries and conditions of jobs: the clauses around the expressions, and the rules that need the whole query.
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/query/expression_parser.h"
#include "libs/query/lexer.h"
#include "libs/query/paths.h"
#include "libs/query/query.h"

namespace fleetcast::query {
namespace {

void CanonicalizeAll(Expr& expr, Collection collection) {
  if (expr.kind == Expr::Kind::kPath) Canonicalize(expr.path, collection);
  for (Expr& arg : expr.args) CanonicalizeAll(arg, collection);
  const bool is_comparison = expr.kind == Expr::Kind::kCompare || expr.kind == Expr::Kind::kIn;
  if (collection != Collection::kJobs || !is_comparison) return;
  for (const Expr& side : expr.args) {
    if (side.kind != Expr::Kind::kPath) continue;
    for (Expr& other : expr.args) CanonicalizeJobLiteral(side.path, other.literal);
  }
}

class QueryParser {
 public:
  explicit QueryParser(ExpressionParser tokens) : tokens_(std::move(tokens)) {}

  absl::StatusOr<Query> WholeQuery() {
    Query query;
    FLEETCAST_RETURN_IF_ERROR(tokens_.ExpectWord("SELECT"));
    if (tokens_.TakeWord("TOP")) {
      FLEETCAST_ASSIGN_OR_RETURN(query.top, Top());
    }
    if (!tokens_.TakeSymbol("*")) FLEETCAST_RETURN_IF_ERROR(SelectList(query));
    FLEETCAST_ASSIGN_OR_RETURN(query.collection, From());
    if (tokens_.TakeWord("WHERE")) {
      FLEETCAST_ASSIGN_OR_RETURN(query.where, tokens_.Expression());
    }
    const Position group = tokens_.Now().position;
    if (tokens_.TakeWord("GROUP")) FLEETCAST_RETURN_IF_ERROR(GroupBy(query));
    FLEETCAST_RETURN_IF_ERROR(End());
    Name(query);
    FLEETCAST_RETURN_IF_ERROR(Check(query, group));
    return query;
  }

  absl::StatusOr<Condition> WholeCondition() {
    if (tokens_.IsWord("SELECT")) return OfWholeQuery();
    if (tokens_.IsWord("FROM")) return tokens_.Error("jobs over devices.modules are not supported");
    Condition condition;
    if (!tokens_.TakeSymbol("*")) {
      FLEETCAST_ASSIGN_OR_RETURN(condition.expression, tokens_.Expression());
    }
    FLEETCAST_RETURN_IF_ERROR(End());
    if (condition.expression) CanonicalizeAll(*condition.expression, Collection::kDevices);
    return condition;
  }

  absl::StatusOr<Path> WholePath(Collection collection) {
    FLEETCAST_ASSIGN_OR_RETURN(Path path, tokens_.PathOnly());
    if (!tokens_.IsEnd()) return tokens_.Unexpected();
    Canonicalize(path, collection);
    return path;
  }

 private:
  absl::Status End() {
    if (tokens_.IsSymbol(";")) {
      FLEETCAST_RETURN_IF_ERROR(tokens_.Extension("a semicolon"));
      tokens_.Take();
    }
    return tokens_.IsEnd() ? absl::OkStatus() : tokens_.Unexpected();
  }

  absl::StatusOr<int64_t> Top() {
    int64_t count = 0;
    const Token& now = tokens_.Now();
    const auto [end, error] = std::from_chars(now.text.data(), now.text.data() + now.text.size(), count);
    const bool is_integer =
        now.kind == Token::Kind::kNumber && error == std::errc() && end == now.text.data() + now.text.size();
    if (!is_integer || count < 1) return tokens_.Error("TOP needs a whole number of at least 1");
    tokens_.Take();
    return count;
  }

  absl::Status SelectList(Query& query) {
    int unnamed = 0;
    do {
      SelectItem item;
      item.position = tokens_.Now().position;
      FLEETCAST_RETURN_IF_ERROR(tokens_.CountTerm());
      FLEETCAST_RETURN_IF_ERROR(ItemSource(item));
      const bool has_as = tokens_.TakeWord("AS");
      const Token::Kind kind = tokens_.Now().kind;
      if (kind == Token::Kind::kQuoted || (kind == Token::Kind::kName && !tokens_.IsReservedWord())) {
        item.name = tokens_.Take().text;
      } else if (has_as) {
        return tokens_.Unexpected();
      } else if (item.aggregate != Aggregate::kNone) {
        item.name = absl::StrCat("$", ++unnamed);
      }
      query.items.push_back(std::move(item));
    } while (tokens_.TakeSymbol(","));
    return absl::OkStatus();
  }

  absl::Status ItemSource(SelectItem& item) {
    const bool is_call = tokens_.Now().kind == Token::Kind::kName && ExpressionParser::IsSymbol(tokens_.Ahead(), "(");
    if (is_call) {
      item.aggregate = FindAggregate(tokens_.Now().text);
      if (item.aggregate == Aggregate::kNone) return tokens_.Error("only COUNT, AVG, SUM, MIN and MAX may be selected");
      tokens_.Take();
      tokens_.Take();
      if (item.aggregate == Aggregate::kCount) {
        tokens_.TakeSymbol("*");
        return tokens_.ExpectSymbol(")");
      }
    }
    FLEETCAST_ASSIGN_OR_RETURN(item.path, tokens_.PathOnly());
    return is_call ? tokens_.ExpectSymbol(")") : absl::OkStatus();
  }

  absl::StatusOr<Collection> From() {
    FLEETCAST_RETURN_IF_ERROR(tokens_.ExpectWord("FROM"));
    if (!tokens_.IsWord("devices"))
      return tokens_.Error("the collection must be devices, devices.modules or devices.jobs");
    tokens_.Take();
    if (!tokens_.TakeSymbol(".")) return Collection::kDevices;
    if (tokens_.TakeWord("jobs")) return Collection::kJobs;
    if (tokens_.TakeWord("modules")) return Collection::kModules;
    return tokens_.Unexpected();
  }

  absl::Status GroupBy(Query& query) {
    FLEETCAST_RETURN_IF_ERROR(tokens_.ExpectWord("BY"));
    while (true) {
      FLEETCAST_RETURN_IF_ERROR(tokens_.CountTerm());
      FLEETCAST_ASSIGN_OR_RETURN(Path path, tokens_.PathOnly());
      query.group_by.push_back(std::move(path));
      if (!tokens_.IsSymbol(",")) return absl::OkStatus();
      FLEETCAST_RETURN_IF_ERROR(tokens_.Extension("more than one GROUP BY path"));
      tokens_.Take();
    }
  }

  // Canonical names, which need the collection, and the names of items without alias.
  static void Name(Query& query) {
    if (query.where) CanonicalizeAll(*query.where, query.collection);
    for (Path& path : query.group_by) Canonicalize(path, query.collection);
    for (SelectItem& item : query.items) {
      if (!item.path.empty()) Canonicalize(item.path, query.collection);
      if (item.name.empty()) item.name = item.path.back().name;
    }
  }

  absl::Status ErrorAtItem(Position position, std::string_view message) const {
    return ErrorAt(tokens_.reason(), position, message);
  }

  // Rules that need the whole query.
  absl::Status Check(const Query& query, Position group) const {
    if (!query.group_by.empty() && query.items.empty()) {
      return ErrorAtItem(group, "GROUP BY needs selected paths and aggregates, not *");
    }
    if (tokens_.is_strict() && query.collection == Collection::kJobs &&
        (!query.items.empty() || !query.group_by.empty())) {
      return ErrorAtItem({}, "devices.jobs allows only SELECT * without GROUP BY");
    }
    if (tokens_.is_strict() && query.collection == Collection::kModules && query.is_aggregate()) {
      return ErrorAtItem({}, "devices.modules allows no aggregates");
    }
    for (const SelectItem& item : query.items) {
      const bool is_path = item.aggregate == Aggregate::kNone;
      if (!query.is_aggregate() && !is_path) return ErrorAtItem(item.position, "aggregates and paths need GROUP BY");
      if (query.is_aggregate() && is_path && !GroupIndex(query, item.path)) {
        return ErrorAtItem(item.position, absl::StrCat(PathText(item.path), " is not in GROUP BY"));
      }
    }
    return CheckJobs(query);
  }

  // devices.jobs: counting by status is what operators ask for; the rest would read every row of a job.
  absl::Status CheckJobs(const Query& query) const {
    if (query.collection != Collection::kJobs || !query.is_aggregate()) return absl::OkStatus();
    for (const SelectItem& item : query.items) {
      if (item.aggregate != Aggregate::kNone && item.aggregate != Aggregate::kCount)
        return ErrorAtItem(item.position, "devices.jobs allows no aggregate but COUNT()");
    }
    for (const Path& path : query.group_by) {
      if (PathText(path) != "status") return ErrorAtItem({}, "devices.jobs allows no GROUP BY but status");
    }
    return absl::OkStatus();
  }

  // `SELECT * FROM devices [WHERE e]` as the condition `e`.
  absl::StatusOr<Condition> OfWholeQuery() {
    const absl::Status refused = tokens_.Error("a condition is wanted, not a whole query");
    if (tokens_.is_strict()) return refused;
    FLEETCAST_ASSIGN_OR_RETURN(Query query, WholeQuery());
    const bool is_plain = query.items.empty() && !query.top && query.collection == Collection::kDevices;
    if (!is_plain) return refused;
    return Condition{std::move(query.where)};
  }

  ExpressionParser tokens_;
};

absl::StatusOr<QueryParser> Open(std::string_view text, const Limits& limits, Profile profile,
                                 std::string_view reason) {
  FLEETCAST_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(text, limits.bytes_max, profile, reason));
  return QueryParser(ExpressionParser(std::move(tokens), limits, profile, reason));
}

}  // namespace

absl::StatusOr<Query> ParseQuery(std::string_view text, Profile profile, const Limits& limits) {
  FLEETCAST_ASSIGN_OR_RETURN(QueryParser parser, Open(text, limits, profile, kInvalidQuery));
  return parser.WholeQuery();
}

absl::StatusOr<Condition> ParseCondition(std::string_view text, Profile profile, const Limits& limits) {
  FLEETCAST_ASSIGN_OR_RETURN(QueryParser parser, Open(text, limits, profile, kInvalidCondition));
  return parser.WholeCondition();
}

absl::StatusOr<Path> ParsePath(std::string_view text, Collection collection) {
  FLEETCAST_ASSIGN_OR_RETURN(QueryParser parser, Open(text, kQueryLimits, Profile::kLenient, kInvalidQuery));
  return parser.WholePath(collection);
}

std::optional<size_t> GroupIndex(const Query& query, const Path& path) {
  for (size_t i = 0; i < query.group_by.size(); ++i) {
    if (query.group_by[i] == path) return i;
  }
  return std::nullopt;
}

}  // namespace fleetcast::query
