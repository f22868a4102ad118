// Queries over devices.jobs (query-language.md 5): which executions are read, and what becomes of their rows.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fleetcast/jobs/v1/job.pb.h"
#include "libs/model/page_token.h"
#include "libs/query/query.h"
#include "services/rest_gateway/backends.h"
#include "services/rest_gateway/exchange.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {

// What a query over devices.jobs reads.
struct ExecutionPlan {
  jobs::v1::ListExecutionsRequest request;  // Without page; neither job nor device = those of all jobs.
  std::optional<query::Expr> residual;      // To be tested on each row; empty = nothing left.
  bool is_empty = false;                    // No row can fit.

  bool reads_all_jobs() const { return request.job_id().empty() && request.device_id().empty(); }
};

ExecutionPlan PlanExecutions(const query::Query& query);

// One page of a query. `text` is the query's own: page tokens hold only for it.
struct ExecutionQuery {
  query::Query query;
  std::string text;
  PageRequest page;
};

// Reads and answers one page; an aggregate query is answered in one. ARGUMENT_INVALID for a token of another query, a
// changed or an old one, and for an aggregate over more records than can be counted while somebody waits. `jobs` and
// `tokens` outlive the exchange.
void RunExecutionQuery(const ExchangePtr& exchange, JobStub& jobs, const PageTokens& tokens, ExecutionQuery query,
                       absl::Time now);

}  // namespace fleetcast::rest_gateway
