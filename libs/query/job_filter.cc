#include "libs/query/job_filter.h"

#include <utility>

namespace fleetcast::query {
namespace {

// Takes `conjunct` into `filter` if it is an equality of a known member and a string; false otherwise.
bool Take(const Expr& conjunct, JobFilter& filter) {
  if (conjunct.kind != Expr::Kind::kCompare || conjunct.comparison != Comparison::kEqual) return false;
  const bool is_path_first = conjunct.args[0].kind == Expr::Kind::kPath;
  const Expr& path = conjunct.args[is_path_first ? 0 : 1];
  const Expr& literal = conjunct.args[is_path_first ? 1 : 0];
  if (path.kind != Expr::Kind::kPath || path.path.size() != 1) return false;
  if (literal.kind != Expr::Kind::kLiteral || !literal.literal.is_string()) return false;
  const std::pair<std::string_view, std::optional<std::string>*> members[] = {{"jobId", &filter.job_id},
                                                                              {"deviceId", &filter.device_id},
                                                                              {"status", &filter.status},
                                                                              {"jobType", &filter.job_type}};
  for (const auto& [name, value] : members) {
    if (path.path[0].name != name) continue;
    const std::string& wanted = literal.literal.AsString();
    if (value->has_value() && **value != wanted) filter.is_empty = true;
    *value = wanted;
    return true;
  }
  return false;
}

}  // namespace

JobFilter SplitJobFilter(const std::optional<Expr>& where) {
  JobFilter filter;
  if (!where) return filter;
  if (where->kind != Expr::Kind::kAnd) {
    if (!Take(*where, filter)) filter.residual = where;
    return filter;
  }
  Expr rest = *where;
  rest.args.clear();
  for (const Expr& conjunct : where->args) {
    if (!Take(conjunct, filter)) rest.args.push_back(conjunct);
  }
  if (rest.args.size() == 1) {
    filter.residual = rest.args[0];
  } else if (!rest.args.empty()) {
    filter.residual = std::move(rest);
  }
  return filter;
}

}  // namespace fleetcast::query
