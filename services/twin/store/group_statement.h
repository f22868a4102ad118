// The statement of an aggregate query, and its rows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/postgres/result.h"
#include "libs/query/query.h"
#include "libs/query/sql.h"
#include "services/twin/store/columns.h"

namespace fleetcast::twin {

// Groups and aggregates in the database; the values of a row are finished here (query::GroupRow). One query; `query`
// and `source` outlive it.
class GroupStatement {
 public:
  GroupStatement(const query::Query& query, const Source& source, const query::Binding& binding);

  // $1 is the offset of the first row, $2 the limit, the rest parameters().
  const std::string& sql() const { return sql_; }
  const std::vector<std::string>& parameters() const { return parameters_; }

  // A row of the answer as JSON text.
  absl::StatusOr<std::string> Row(const postgres::Row& row) const;

 private:
  // Adds an expression to the select list and gives its place.
  int Select(std::string expression);
  std::string Expression(const query::Path& path, query::PathForm form, const query::Binding& binding);
  std::string Take(query::Sql sql);
  int NextParameter() const { return static_cast<int>(parameters_.size()) + 3; }

  // Where the parts of an item's aggregate stand in a row; -1 = not wanted.
  struct Places {
    int numbers = -1;
    int sum = -1;
    int number = -1;
    int text = -1;
  };

  const query::Query& query_;
  std::vector<std::string> parameters_;
  std::vector<std::string> select_list_;
  std::vector<int> keys_;
  std::vector<Places> items_;
  uint32_t uses_ = 0;
  std::string sql_;
};

}  // namespace fleetcast::twin
