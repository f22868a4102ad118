#include "services/twin/store/query_store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/postgres/array.h"
#include "services/twin/store/columns.h"
#include "services/twin/store/twin_rows.h"

namespace fleetcast::twin {
namespace {

using postgres::Params;
using postgres::Result;
using postgres::Row;
using postgres::Transaction;

// The condition as SQL, TRUE when there is none.
absl::StatusOr<query::Sql> Compile(const std::optional<query::Expr>& where, int first_parameter,
                                   std::string_view reason) {
  if (!where.has_value()) return query::Sql{"TRUE", {}, 0};
  return query::CompileCondition(*where, TwinColumns(), first_parameter, reason);
}

void AddAll(const std::vector<std::string>& values, Params& params) {
  for (const std::string& value : values) params.Add(value);
}

// Runs one statement that was made at run time.
absl::StatusOr<Result> Execute(postgres::Pool& pool, absl::Time deadline, const std::string& sql,
                               const Params& params) {
  return pool.Transact(deadline, [&](Transaction& transaction) { return transaction.ExecuteSql(sql, params); });
}

// The keys of a grouped query as SQL, and the parameters they need.
struct GroupKeys {
  std::vector<std::string> expressions;
  query::Sql all;  // Parameters and uses of them together.
};

absl::StatusOr<GroupKeys> CompileKeys(const query::Query& query, int first_parameter) {
  GroupKeys keys;
  for (const query::Path& path : query.group_by) {
    FLEETCAST_ASSIGN_OR_RETURN(
        query::Sql key,
        query::CompilePath(path, TwinColumns(), first_parameter + static_cast<int>(keys.all.parameters.size()),
                           query::kInvalidQuery));
    // Objects and arrays as keys count as undefined.
    keys.expressions.push_back(
        absl::StrCat("CASE WHEN jsonb_typeof(", key.text, ") NOT IN ('object', 'array') THEN ", key.text, " END"));
    for (std::string& parameter : key.parameters) keys.all.parameters.push_back(std::move(parameter));
    keys.all.uses |= key.uses;
  }
  return keys;
}

// One row of the answer: grouped paths that are defined, and counts.
std::string GroupRow(const query::Query& query, const Row& row) {
  json::Value out = json::Value::MakeObject();
  for (const query::SelectItem& item : query.items) {
    if (item.aggregate == query::Aggregate::kCount) {
      out.Set(item.name, json::Value::Int(row.Get<int64_t>(0)));
      continue;
    }
    for (size_t i = 0; i < query.group_by.size(); ++i) {
      if (query::PathText(query.group_by[i]) != query::PathText(item.path)) continue;
      const auto key = row.Get<std::optional<std::string_view>>(static_cast<int>(i) + 1);
      absl::StatusOr<json::Value> value = json::Parse(key.value_or(""));
      if (value.ok()) out.Set(item.name, *std::move(value));
    }
  }
  return json::Print(out);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> QueryStore::Ids(absl::Time deadline, const query::Condition& condition,
                                                         std::string_view after, int limit) {
  FLEETCAST_ASSIGN_OR_RETURN(const query::Sql where, Compile(condition.expression, 3, query::kInvalidCondition));
  Params params = Params::Of(after, limit);
  AddAll(where.parameters, params);
  // One array costs less than a row for each id. A page is sorted before it is aggregated, so the array is in order.
  const std::string sql =
      absl::StrCat("SELECT coalesce(array_agg(page.device_id), '{}') FROM (SELECT t.device_id ", FromClause(where.uses),
                   " WHERE t.device_id > $1 AND ", where.text, " ORDER BY t.device_id LIMIT $2) AS page");
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, Execute(pool_, deadline, sql, params));
  return rows[0].Get<std::vector<std::string>>(0);
}

absl::StatusOr<TargetCount> QueryStore::Count(absl::Time deadline, const query::Condition& condition, int sample_size) {
  FLEETCAST_ASSIGN_OR_RETURN(const query::Sql where, Compile(condition.expression, 2, query::kInvalidCondition));
  Params params = Params::Of(sample_size);
  AddAll(where.parameters, params);
  // One statement, so that the figures and the sample belong together. The sample reads in the order of the key and
  // stops early; an aggregate over all ids would sort a million of them.
  const std::string sql =
      absl::StrCat("SELECT count(*), count(*) FILTER (WHERE d.connected), ARRAY(SELECT t.device_id ",
                   FromClause(where.uses), " WHERE ", where.text, " ORDER BY t.device_id LIMIT $1) ",
                   FromClause(where.uses | kUsesDevice), " WHERE ", where.text);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, Execute(pool_, deadline, sql, params));
  TargetCount count = {.count = rows[0].Get<int64_t>(0), .connected = rows[0].Get<int64_t>(1), .sample = {}};
  const auto sample = postgres::ParseArrayLiteral(rows[0].Get<std::string>(2));
  if (!sample.has_value()) return absl::InternalError("the database's array of ids cannot be read");
  for (const std::optional<std::string>& id : *sample) count.sample.push_back(id.value_or(""));
  return count;
}

absl::StatusOr<std::vector<TwinRow>> QueryStore::Twins(absl::Time deadline, const std::optional<query::Expr>& where,
                                                       std::string_view after, int limit) {
  FLEETCAST_ASSIGN_OR_RETURN(const query::Sql condition, Compile(where, 3, query::kInvalidQuery));
  Params params = Params::Of(after, limit);
  AddAll(condition.parameters, params);
  const std::string sql =
      absl::StrCat("SELECT " FLEETCAST_TWIN_COLUMNS " ", FromClause(kUsesDevice), " WHERE t.device_id > $1 AND ",
                   condition.text, " ORDER BY t.device_id LIMIT $2");
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, Execute(pool_, deadline, sql, params));
  std::vector<TwinRow> twins;
  twins.reserve(rows.size());
  for (const Row row : rows) twins.push_back(ReadTwin(row));
  return twins;
}

absl::StatusOr<std::vector<std::string>> QueryStore::Groups(absl::Time deadline, const query::Query& query,
                                                            int64_t offset, int limit) {
  FLEETCAST_ASSIGN_OR_RETURN(const GroupKeys keys, CompileKeys(query, 3));
  const int next_parameter = 3 + static_cast<int>(keys.all.parameters.size());
  FLEETCAST_ASSIGN_OR_RETURN(const query::Sql where, Compile(query.where, next_parameter, query::kInvalidQuery));
  Params params = Params::Of(offset, limit);
  AddAll(keys.all.parameters, params);
  AddAll(where.parameters, params);
  std::string columns = "count(*)";
  std::vector<std::string> numbers;
  for (size_t i = 0; i < keys.expressions.size(); ++i) {
    absl::StrAppend(&columns, ", ", keys.expressions[i]);
    numbers.push_back(absl::StrCat(i + 2));
  }
  std::string sql =
      absl::StrCat("SELECT ", columns, " ", FromClause(keys.all.uses | where.uses), " WHERE ", where.text);
  const std::string list = absl::StrJoin(numbers, ", ");
  if (!numbers.empty()) absl::StrAppend(&sql, " GROUP BY ", list, " ORDER BY ", list);
  absl::StrAppend(&sql, " OFFSET $1 LIMIT $2");
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows, Execute(pool_, deadline, sql, params));
  std::vector<std::string> out;
  for (const Row row : rows) out.push_back(GroupRow(query, row));
  return out;
}

}  // namespace fleetcast::twin
