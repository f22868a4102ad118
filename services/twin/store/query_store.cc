#include "services/twin/store/query_store.h"

#include <cmath>
#include <iterator>
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
using postgres::Transaction;

constexpr int kWindow = 2'000;

constexpr postgres::Statement kWindowEnd{
    "twin_query_window", "SELECT device_id FROM twin.device WHERE device_id > $1 ORDER BY device_id OFFSET $2 LIMIT 1"};

// The condition as SQL, TRUE when there is none.
query::Sql Compile(const std::optional<query::Expr>& where, const query::Binding& binding, int first_parameter) {
  if (!where.has_value()) return query::Sql{"TRUE", {}, 0};
  return query::CompileCondition(*where, binding, first_parameter);
}

void AddAll(const std::vector<std::string>& values, Params& params) {
  for (const std::string& value : values) params.Add(value);
}

// Runs one statement that was made at run time.
absl::StatusOr<Result> Execute(postgres::Pool& pool, absl::Time deadline, const std::string& sql,
                               const Params& params) {
  return pool.Transact(deadline, [&](Transaction& transaction) { return transaction.ExecuteSql(sql, params); });
}

}  // namespace

// A page of rows that a condition selects.
struct QueryStore::Page {
  const Source& source;
  std::string select;  // What is wanted of each row; empty = the ids, as one row: how many, and an array of them.
  uint32_t uses;       // Of `select`.
  const std::optional<query::Expr>& where;
  Identity after;
  int limit;
};

// Rows in the order of the key can be had in two ways: along the key, testing each row, or by an index on what the
// documents hold, sorting what it finds. The planner cannot tell: it knows nothing of how many documents contain
// something. The first is right when many rows fit, the second when few do. So a page whose condition has an index
// looks at some rows along the key first.
absl::StatusOr<std::vector<Result>> QueryStore::Read(absl::Time deadline, const Page& page) {
  const query::Sql where = Compile(page.where, BindingOf(page.source), kFirstOfCondition);
  const bool is_modules = page.source.has_modules;
  const bool is_array = page.select.empty();
  const auto read = [&](const Identity& after, const std::optional<std::string>& until, int limit,
                        bool along_key) -> absl::StatusOr<Result> {
    Params params = Params::Of(after.device_id, after.module_id, until, limit);
    AddAll(where.parameters, params);
    std::string sql = PageStatement(page.source, is_array ? "t.device_id" : page.select, page.uses, where, along_key);
    // One array costs less than a row for each id. A page is sorted before it is aggregated, so the array is in order.
    if (is_array)
      sql = absl::StrCat("SELECT count(*), coalesce(array_agg(page.device_id), '{}') FROM (", sql, ") AS page");
    return Execute(pool_, deadline, sql, params);
  };
  std::vector<Result> results;
  const auto append = [&results](absl::StatusOr<Result> rows) {
    if (rows.ok()) results.push_back(*std::move(rows));
    return rows.status();
  };
  if (!where.is_indexed || is_modules) {
    FLEETCAST_RETURN_IF_ERROR(append(read(page.after, std::nullopt, page.limit, !where.is_indexed)));
    return results;
  }
  FLEETCAST_ASSIGN_OR_RETURN(const Result end, pool_.Run(deadline, kWindowEnd, page.after.device_id, kWindow));
  const std::optional<std::string> until =
      end.empty() ? std::nullopt : std::optional(end[0].Get<std::string>("device_id"));
  FLEETCAST_RETURN_IF_ERROR(append(read(page.after, until, page.limit, true)));
  const int found = is_array ? results[0][0].Get<int>(0) : static_cast<int>(results[0].size());
  if (!until || found >= page.limit) return results;
  // Of a million rows, n fit: along the key a page costs limit / n of them, by the index n rows. Equal at sqrt(limit)
  // / 1,000.
  const bool is_dense = found > kWindow * std::sqrt(page.limit) / 1'000;
  FLEETCAST_RETURN_IF_ERROR(append(read({*until, ""}, std::nullopt, page.limit - found, is_dense)));
  return results;
}

absl::StatusOr<std::vector<std::string>> QueryStore::Ids(absl::Time deadline, const query::Condition& condition,
                                                         std::string_view after, int limit) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::vector<Result> pages,
                             Read(deadline, {.source = SourceOf(query::Collection::kDevices),
                                             .select = "",
                                             .uses = 0,
                                             .where = condition.expression,
                                             .after = {std::string(after), ""},
                                             .limit = limit}));
  auto ids = pages[0][0].Get<std::vector<std::string>>(1);
  if (pages.size() > 1) {
    auto rest = pages[1][0].Get<std::vector<std::string>>(1);
    ids.insert(ids.end(), std::make_move_iterator(rest.begin()), std::make_move_iterator(rest.end()));
  }
  return ids;
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
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, Execute(pool_, deadline, sql, params));
  TargetCount count = {.count = rows[0].Get<int64_t>(0), .connected = rows[0].Get<int64_t>(1), .sample = {}};
  const auto sample = postgres::ParseArrayLiteral(rows[0].Get<std::string>(2));
  if (!sample.has_value()) return absl::InternalError("the database's array of ids cannot be read");
  for (const std::optional<std::string>& id : *sample) count.sample.push_back(id.value_or(""));
  return count;
}

absl::StatusOr<std::vector<TwinRow>> QueryStore::Twins(absl::Time deadline, query::Collection collection,
                                                       const std::optional<query::Expr>& where, const Identity& after,
                                                       int limit) {
  const Source& source = SourceOf(collection);
  FLEETCAST_ASSIGN_OR_RETURN(
      const std::vector<Result> pages,
      Read(deadline, {.source = source,
                      .select = source.has_modules ? FLEETCAST_TWIN_COLUMNS FLEETCAST_MODULE_SCOPES ", t.module_id"
                                                   : FLEETCAST_TWIN_COLUMNS FLEETCAST_DEVICE_SCOPES,
                      .uses = kUsesDevice | kUsesTwin,
                      .where = where,
                      .after = after,
                      .limit = limit}));
  std::vector<TwinRow> twins;
  for (const Result& rows : pages) {
    for (const Row row : rows) {
      TwinRow& twin = twins.emplace_back(ReadTwin(row));
      if (source.has_modules) twin.module_id = row.Get<std::string>("module_id");
    }
  }
  return twins;
}

absl::StatusOr<std::vector<std::string>> QueryStore::Groups(absl::Time deadline, const query::Query& query,
                                                            int64_t offset, int limit) {
  const Source& source = SourceOf(query.collection);
  const GroupStatement statement(query, source, BindingOf(source));
  Params params = Params::Of(offset, limit);
  AddAll(statement.parameters(), params);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, Execute(pool_, deadline, statement.sql(), params));
  std::vector<std::string> out;
  for (const Row row : rows) {
    FLEETCAST_ASSIGN_OR_RETURN(std::string text, statement.Row(row));
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace fleetcast::twin
