#include "libs/postgres/transaction.h"

#include <pqxx/tablewriter>
#include <pqxx/transaction_base>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/postgres/connection.h"
#include "libs/postgres/errors.h"

namespace fleetcast::postgres {
namespace {

// As libpqxx wants them: null pointer = NULL. Refers to `params`.
std::vector<const char*> Pointers(const Params& params) {
  std::vector<const char*> pointers;
  pointers.reserve(params.values().size());
  for (const auto& value : params.values()) pointers.push_back(value.has_value() ? value->c_str() : nullptr);
  return pointers;
}

// A line in the text format of COPY.
std::string CopyLine(const Params& row) {
  std::string line;
  for (const std::optional<std::string>& value : row.values()) {
    if (&value != &row.values().front()) line.push_back('\t');
    if (!value.has_value()) {
      line.append("\\N");
      continue;
    }
    for (const char c : *value) {
      switch (c) {
        case '\\': line.append("\\\\"); break;
        case '\t': line.append("\\t"); break;
        case '\n': line.append("\\n"); break;
        case '\r': line.append("\\r"); break;
        default: line.push_back(c);
      }
    }
  }
  return line;
}

Result Own(pqxx::result result) { return Result(std::make_shared<const pqxx::result>(std::move(result))); }

}  // namespace

template <typename Fn>
auto Transaction::Guarded(Fn fn) -> absl::StatusOr<decltype(fn())> {
  if (!spoiled_.ok()) return spoiled_;
  try {
    return fn();
  } catch (...) {
    spoiled_ = CurrentExceptionToStatus();
    return spoiled_;
  }
}

absl::StatusOr<Result> Transaction::Execute(const Statement& statement, const Params& params) {
  FLEETCAST_RETURN_IF_ERROR(params.status());
  return Guarded([&] {
    connection_.Prepare(statement.name, statement.sql);
    return Own(work_.exec_prepared(statement.name, pqxx::prepare::make_dynamic_params(Pointers(params))));
  });
}

absl::StatusOr<Result> Transaction::ExecuteSql(std::string_view sql, const Params& params) {
  FLEETCAST_RETURN_IF_ERROR(params.status());
  return Guarded(
      [&] { return Own(work_.exec_params(std::string(sql), pqxx::prepare::make_dynamic_params(Pointers(params)))); });
}

absl::Status Transaction::RunScript(std::string_view sql) {
  return Guarded([&] { return Own(work_.exec(std::string(sql))); }).status();
}

// stream_to of libpqxx 6 takes rows of a fixed number of columns only; its predecessor takes ready lines.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
absl::StatusOr<int64_t> Transaction::CopyIn(std::string_view table, const std::vector<std::string>& columns,
                                            std::span<const Params> rows) {
  for (const Params& row : rows) FLEETCAST_RETURN_IF_ERROR(row.status());
  return Guarded([&] {
    pqxx::tablewriter writer(work_, std::string(table), columns.begin(), columns.end());
    for (const Params& row : rows) writer.write_raw_line(CopyLine(row));
    writer.complete();
    return static_cast<int64_t>(rows.size());
  });
}
#pragma GCC diagnostic pop

}  // namespace fleetcast::postgres
