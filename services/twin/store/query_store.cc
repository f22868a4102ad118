#include "services/twin/store/query_store.h"

#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/postgres/array.h"
#include "services/twin/store/group_statement.h"
#include "services/twin/store/page_statement.h"
#include "services/twin/store/twin_rows.h"

namespace fleetcast::twin {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Row;

// So many documents tell how many of all fit.
constexpr int kWindow = 500;
// A page that the index has found among so many rows is not the model of the next one.
constexpr int kSelectiveMax = 10'000;

// The condition as SQL, TRUE when there is none.
query::Sql Compile(const std::optional<query::Expr>& where, const query::Binding& binding, int first_parameter) {
  if (!where.has_value()) return query::Sql{"TRUE", {}, 0};
  return query::CompileCondition(*where, binding, first_parameter);
}

void AddAll(const std::vector<std::string>& values, Params& params) {
  for (const std::string& value : values) params.Add(value);
}

}  // namespace

// A page of rows that a condition selects.
struct QueryStore::Page {
  const Source& source;
  std::string select;  // What is wanted of each row; empty = the ids, as one array.
  uint32_t uses;       // Of `select`.
  const std::optional<query::Expr>& where;
  Identity after;
  int limit;
  bool is_selective = false;  // See TwinPage.

  // Where the page begins, `count`, and the values of its condition.
  Params Parameters(int count, const query::Sql& condition) const;
};

Params QueryStore::Page::Parameters(int count, const query::Sql& condition) const {
  Params params = Params::Of(after.device_id, after.module_id, count);
  AddAll(condition.parameters, params);
  return params;
}

// Rows in the order of the key can be had in two ways: along the key, testing each row, or by an index on what the
// documents hold, sorting what it finds. The planner cannot tell: it knows nothing of how many documents contain
// something. The first is right when many rows fit, the second when few do. So a page whose condition has an index
// looks at some rows along the key first, unless the page before was found by the index among few.
absl::StatusOr<QueryStore::Way> QueryStore::Choose(absl::Time deadline, const Page& page, const query::Sql& where) {
  if (!where.is_indexed) return Way::kAlongKey;
  if (page.is_selective) return Way::kByIndex;
  // Of a million rows, n fit: along the key a page costs limit / n of them, by the index n rows. Equal at sqrt(limit)
  // / 1,000.
  const auto few = static_cast<int>(kWindow * std::sqrt(page.limit) / 1'000);
  FLEETCAST_ASSIGN_OR_RETURN(const Result near, pool_.RunSql(deadline, CountNear(page.source, where, kWindow),
                                                             page.Parameters(few + 1, where)));
  return near[0].Get<int>(0) > few ? Way::kAlongKey : Way::kByIndex;
}

absl::StatusOr<Result> QueryStore::Read(absl::Time deadline, const Page& page) {
  const query::Sql where = Compile(page.where, BindingOf(page.source), kFirstOfCondition);
  FLEETCAST_ASSIGN_OR_RETURN(const Way way, Choose(deadline, page, where));
  const Params params = page.Parameters(page.limit, where);
  if (!page.select.empty()) {
    return pool_.RunSql(deadline,
                        way == Way::kByIndex ? PageByIndex(page.source, page.select, page.uses, where)
                                             : PageAlongKey(page.source, page.select, page.uses, where),
                        params);
  }
  // One array costs less than a row for each id. A page is sorted before it is aggregated, so the array is in order.
  const std::string keys = way == Way::kByIndex ? KeysByIndex(page.source, where)
                                                : PageAlongKey(page.source, page.source.key, page.uses, where);
  return pool_.RunSql(
      deadline, absl::StrCat("SELECT coalesce(array_agg(page.device_id), '{}') FROM (", keys, ") AS page"), params);
}

absl::StatusOr<std::vector<std::string>> QueryStore::Ids(absl::Time deadline, const query::Condition& condition,
                                                         std::string_view after, int limit) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, Read(deadline, {.source = SourceOf(query::Collection::kDevices),
                                                                .select = "",
                                                                .uses = 0,
                                                                .where = condition.expression,
                                                                .after = {std::string(after), ""},
                                                                .limit = limit}));
  return rows[0].Get<std::vector<std::string>>(0);
}

absl::StatusOr<TargetCount> QueryStore::Count(absl::Time deadline, const query::Condition& condition, int sample_size) {
  const Source& source = SourceOf(query::Collection::kDevices);
  const query::Sql where = Compile(condition.expression, BindingOf(source), 2);
  Params params = Params::Of(sample_size);
  AddAll(where.parameters, params);
  // One statement, so that the figures and the sample belong together. The sample reads in the order of the key and
  // stops early; an aggregate over all ids would sort a million of them.
  const std::string sql = absl::StrCat(
      "SELECT count(*), count(*) FILTER (WHERE d.connected), ARRAY(SELECT t.device_id ", FromClause(source, where.uses),
      " WHERE ", where.text, " ORDER BY ", where.is_indexed ? Absl(source.sorted_key) : Absl(source.key), " LIMIT $1) ",
      FromClause(source, where.uses | kUsesDevice), " WHERE ", where.text);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.RunSql(deadline, sql, params));
  TargetCount count = {.count = rows[0].Get<int64_t>(0), .connected = rows[0].Get<int64_t>(1), .sample = {}};
  const auto sample = postgres::ParseArrayLiteral(rows[0].Get<std::string>(2));
  if (!sample.has_value()) return absl::InternalError("the database's array of ids cannot be read");
  for (const std::optional<std::string>& id : *sample) count.sample.push_back(id.value_or(""));
  return count;
}

absl::StatusOr<TwinPage> QueryStore::Twins(absl::Time deadline, query::Collection collection,
                                           const std::optional<query::Expr>& where, const Identity& after, int limit,
                                           bool is_selective) {
  const Source& source = SourceOf(collection);
  FLEETCAST_ASSIGN_OR_RETURN(
      const Result rows,
      Read(deadline, {.source = source,
                      .select = source.has_modules ? FLEETCAST_TWIN_COLUMNS FLEETCAST_MODULE_SCOPES ", t.module_id"
                                                   : FLEETCAST_TWIN_COLUMNS FLEETCAST_DEVICE_SCOPES,
                      .uses = kUsesDevice | kUsesTwin,
                      .where = where,
                      .after = after,
                      .limit = limit,
                      .is_selective = is_selective}));
  TwinPage page;
  for (const Row row : rows) {
    TwinRow& twin = page.twins.emplace_back(ReadTwin(row));
    if (source.has_modules) twin.module_id = row.Get<std::string>("module_id");
  }
  const std::optional<int> matches = rows.FindColumn("matches");
  page.is_selective = matches && !rows.empty() && rows[0].Get<int64_t>(*matches) <= kSelectiveMax;
  return page;
}

absl::StatusOr<std::vector<std::string>> QueryStore::Groups(absl::Time deadline, const query::Query& query,
                                                            int64_t offset, int limit) {
  const Source& source = SourceOf(query.collection);
  const GroupStatement statement(query, source, BindingOf(source));
  Params params = Params::Of(offset, limit);
  AddAll(statement.parameters(), params);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, pool_.RunSql(deadline, statement.sql(), params));
  std::vector<std::string> out;
  for (const Row row : rows) {
    FLEETCAST_ASSIGN_OR_RETURN(std::string text, statement.Row(row));
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace fleetcast::twin
