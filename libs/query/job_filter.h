// What a query over devices.jobs asks of ListExecutions, and what is left to test on each row. Pure.
#pragma once

#include <optional>
#include <string>

#include "libs/query/query.h"

namespace fleetcast::query {

struct JobFilter {
  // Equalities that every selected row must satisfy; canonical spellings.
  std::optional<std::string> job_id;
  std::optional<std::string> device_id;
  std::optional<std::string> status;
  std::optional<std::string> job_type;
  // The rest of the condition, for Matches() on the row's document; empty = nothing left.
  std::optional<Expr> residual;
  // No row can satisfy the condition, for instance jobId = 'a' AND jobId = 'b'.
  bool is_empty = false;
};

// Takes the equalities out of the top-level conjunction of `where`.
JobFilter SplitJobFilter(const std::optional<Expr>& where);

}  // namespace fleetcast::query
