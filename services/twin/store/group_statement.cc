#include "services/twin/store/group_statement.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/query/rows.h"

namespace fleetcast::twin {
namespace {

using query::Aggregate;
using query::PathForm;

// A value that the database printed.
absl::StatusOr<std::optional<json::Value>> ReadJson(const std::optional<std::string_view>& text) {
  if (!text) return std::optional<json::Value>();
  FLEETCAST_ASSIGN_OR_RETURN(json::Value value, json::Parse(*text));
  return std::optional<json::Value>(std::move(value));
}

// Whether nothing is asked but how many rows there are: the registry's own count tells.
bool CountsAll(const query::Query& query) {
  return !query.where && query.group_by.empty() &&
         std::all_of(query.items.begin(), query.items.end(),
                     [](const query::SelectItem& item) { return item.aggregate == Aggregate::kCount; });
}

std::string CountOfAll(const Source& source) {
  return absl::StrCat("SELECT coalesce(sum(rows), 0)::bigint FROM twin.row_count WHERE table_name = '",
                      Absl(source.registry), "' OFFSET $1 LIMIT $2");
}

}  // namespace

GroupStatement::GroupStatement(const query::Query& query, const Source& source, const query::Binding& binding)
    : query_(query) {
  if (CountsAll(query)) {
    items_.resize(query.items.size());
    sql_ = CountOfAll(source);
    return;
  }
  select_list_.push_back("count(*)");
  for (const query::Path& path : query.group_by) {
    keys_.push_back(Select(Expression(path, PathForm::kKey, binding)));
  }
  for (const query::SelectItem& item : query.items) {
    Places places;
    const bool wants_sum = item.aggregate == Aggregate::kSum || item.aggregate == Aggregate::kAvg;
    const bool wants_extreme = item.aggregate == Aggregate::kMin || item.aggregate == Aggregate::kMax;
    if (wants_sum) {
      const std::string number = Expression(item.path, PathForm::kNumber, binding);
      places.numbers = Select(absl::StrCat("count(", number, ")"));
      places.sum = Select(absl::StrCat("sum(", number, ")"));
    } else if (wants_extreme) {
      const std::string name = item.aggregate == Aggregate::kMin ? "min(" : "max(";
      places.number = Select(absl::StrCat(name, Expression(item.path, PathForm::kNumber, binding), ")"));
      places.text = Select(absl::StrCat(name, Expression(item.path, PathForm::kText, binding), " COLLATE \"C\")"));
    }
    items_.push_back(places);
  }
  const std::string where =
      query.where ? Take(query::CompileCondition(*query.where, binding, NextParameter())) : "TRUE";
  sql_ = absl::StrCat("SELECT ", absl::StrJoin(select_list_, ", "), " ", FromClause(source, uses_), " WHERE ", where);
  const std::string keys =
      absl::StrJoin(keys_, ", ", [](std::string* out, int place) { absl::StrAppend(out, place + 1); });
  if (!keys.empty()) absl::StrAppend(&sql_, " GROUP BY ", keys, " ORDER BY ", keys);
  absl::StrAppend(&sql_, " OFFSET $1 LIMIT $2");
}

int GroupStatement::Select(std::string expression) {
  select_list_.push_back(std::move(expression));
  return static_cast<int>(select_list_.size()) - 1;
}

std::string GroupStatement::Expression(const query::Path& path, PathForm form, const query::Binding& binding) {
  return Take(query::CompilePath(path, form, binding, NextParameter()));
}

std::string GroupStatement::Take(query::Sql sql) {
  for (std::string& parameter : sql.parameters) parameters_.push_back(std::move(parameter));
  uses_ |= sql.uses;
  return std::move(sql.text);
}

absl::StatusOr<std::string> GroupStatement::Row(const postgres::Row& row) const {
  using Text = std::optional<std::string_view>;
  std::vector<std::optional<json::Value>> keys;
  for (const int place : keys_) {
    FLEETCAST_ASSIGN_OR_RETURN(std::optional<json::Value> key, ReadJson(row.Get<Text>(place)));
    keys.push_back(std::move(key));
  }
  std::vector<query::AggregateState> states;
  for (const Places& places : items_) {
    query::AggregateState& state = states.emplace_back();
    if (places.numbers >= 0) state.numbers = row.Get<int64_t>(places.numbers);
    if (places.sum >= 0) state.sum = row.Get<Text>(places.sum).value_or("0");
    if (places.number >= 0) {
      FLEETCAST_ASSIGN_OR_RETURN(state.number, ReadJson(row.Get<Text>(places.number)));
      const Text text = row.Get<Text>(places.text);
      if (text) state.text = json::Value::String(*text);
    }
  }
  return json::Print(query::GroupRow(query_, keys, row.Get<int64_t>(0), states));
}

}  // namespace fleetcast::twin
