#include "services/twin/store/query_store.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/postgres/array.h"
#include "services/twin/store/group_statement.h"
#include "services/twin/store/twin_rows.h"

namespace fleetcast::twin {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Row;
using postgres::Transaction;

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

absl::StatusOr<std::vector<std::string>> QueryStore::Ids(absl::Time deadline, const query::Condition& condition,
                                                         std::string_view after, int limit) {
  const Source& source = SourceOf(query::Collection::kDevices);
  const query::Sql where = Compile(condition.expression, BindingOf(source), 3);
  Params params = Params::Of(after, limit);
  AddAll(where.parameters, params);
  // One array costs less than a row for each id. A page is sorted before it is aggregated, so the array is in order.
  const std::string sql = absl::StrCat("SELECT coalesce(array_agg(page.device_id), '{}') FROM (SELECT t.device_id ",
                                       FromClause(source, where.uses), " WHERE t.device_id > $1 AND ", where.text,
                                       " ORDER BY t.device_id LIMIT $2) AS page");
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, Execute(pool_, deadline, sql, params));
  return rows[0].Get<std::vector<std::string>>(0);
}

absl::StatusOr<TargetCount> QueryStore::Count(absl::Time deadline, const query::Condition& condition, int sample_size) {
  const Source& source = SourceOf(query::Collection::kDevices);
  const query::Sql where = Compile(condition.expression, BindingOf(source), 2);
  Params params = Params::Of(sample_size);
  AddAll(where.parameters, params);
  // One statement, so that the figures and the sample belong together. The sample reads in the order of the key and
  // stops early; an aggregate over all ids would sort a million of them.
  const std::string sql =
      absl::StrCat("SELECT count(*), count(*) FILTER (WHERE d.connected), ARRAY(SELECT t.device_id ",
                   FromClause(source, where.uses), " WHERE ", where.text, " ORDER BY t.device_id LIMIT $1) ",
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
  const bool is_modules = collection == query::Collection::kModules;
  Params params = is_modules ? Params::Of(limit, after.device_id, after.module_id) : Params::Of(limit, after.device_id);
  const query::Sql condition = Compile(where, BindingOf(source), static_cast<int>(params.values().size()) + 1);
  AddAll(condition.parameters, params);
  const std::string sql =
      absl::StrCat("SELECT " FLEETCAST_TWIN_COLUMNS,
                   is_modules ? FLEETCAST_MODULE_SCOPES ", t.module_id " : FLEETCAST_DEVICE_SCOPES " ",
                   FromClause(source, kUsesDevice), " WHERE ",
                   is_modules ? "(t.device_id, t.module_id) > ($2::text, $3::text)" : "t.device_id > $2", " AND ",
                   condition.text, " ORDER BY ", Absl(source.key), " LIMIT $1");
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, Execute(pool_, deadline, sql, params));
  std::vector<TwinRow> twins;
  twins.reserve(rows.size());
  for (const Row row : rows) {
    TwinRow& twin = twins.emplace_back(ReadTwin(row));
    if (is_modules) twin.module_id = row.Get<std::string>("module_id");
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
