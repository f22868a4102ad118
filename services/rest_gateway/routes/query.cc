#include "services/rest_gateway/routes/query.h"

#include <algorithm>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/query/interpreter.h"
#include "libs/query/query.h"
#include "services/rest_gateway/azure_errors.h"
#include "services/rest_gateway/backends.h"
#include "services/rest_gateway/routes/execution_wire.h"
#include "services/rest_gateway/routes/page.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {
namespace {

// How many pages of executions one request reads at most while none of their rows fits. Then it answers an empty page
// with a token, which clients know.
constexpr int kExecutionPagesMax = 20;

struct QueryRequest {
  std::string text;
  PageRequest page;
};

absl::StatusOr<QueryRequest> ParseQueryRequest(const Exchange& exchange) {
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value body, ParseObjectBody(exchange.request()));
  const bool is_preview = exchange.dialect() == Dialect::kDt;
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<std::string> text, TextMember(&body, is_preview ? "sql" : "query"));
  if (!text || text->empty()) return BadRequest(kArgumentNull, "the query is missing");
  QueryRequest request = {.text = *text, .page = PageFromHeaders(exchange.request())};
  if (is_preview) {
    FLEETCAST_ASSIGN_OR_RETURN(const std::optional<int64_t> size, IntegerMember(&body, "pageSize"));
    FLEETCAST_ASSIGN_OR_RETURN(const std::optional<std::string> token, TextMember(&body, "continuationToken"));
    request.page.size = static_cast<int>(std::clamp<int64_t>(size.value_or(kPageSizeMax), 1, kPageSizeMax));
    request.page.token = token.value_or("");
  }
  return request;
}

void QueryTwins(const ExchangePtr& exchange, TwinStub& twins, QueryRequest query) {
  using Async = twins::v1::TwinService::StubInterface::async_interface;
  twins::v1::QueryTwinsRequest request;
  request.set_query(std::move(query.text));
  request.set_page_size(query.page.size);
  request.set_page_token(std::move(query.page.token));
  CallOrFail(exchange, kQueryLimit, "fleetcast.twins.v1.TwinService/QueryTwins", twins.async(), &Async::QueryTwins,
             std::move(request), [exchange](const twins::v1::QueryTwinsResponse& response) {
               const bool is_raw = response.row_kind() == twins::v1::QueryTwinsResponse::ROW_KIND_RAW;
               AnswerPage(*exchange, {response.rows().begin(), response.rows().end()}, response.next_page_token(),
                          is_raw ? kRawRows : kTwinRows);
             });
}

// Reads pages of executions until one holds rows that fit. Owned by the call it waits for.
class ExecutionReader : public std::enable_shared_from_this<ExecutionReader> {
 public:
  ExecutionReader(ExchangePtr exchange, JobStub& jobs, ExecutionQuery query, const PageRequest& page)
      : exchange_(std::move(exchange)), jobs_(jobs), query_(std::move(query)) {
    limit_ = static_cast<size_t>(std::min<int64_t>(page.size, query_.top.value_or(page.size)));
    query_.request.set_page_size(query_.top ? kPageSizeMax : page.size);
    query_.request.set_page_token(page.token);
  }

  void ReadPage() {
    using Async = jobs::v1::JobService::StubInterface::async_interface;
    CallOrFail(
        exchange_, kQueryLimit, "fleetcast.jobs.v1.JobService/ListExecutions", jobs_.async(), &Async::ListExecutions,
        jobs::v1::ListExecutionsRequest(query_.request),
        [self = shared_from_this()](const jobs::v1::ListExecutionsResponse& response) { self->OnPage(response); });
  }

 private:
  void OnPage(const jobs::v1::ListExecutionsResponse& response) {
    for (const jobs::v1::Execution& execution : response.executions()) {
      std::string row = PrintExecution(execution);
      if (Fits(row) && rows_.size() < limit_) rows_.push_back(std::move(row));
    }
    const bool wants_more = query_.top ? rows_.size() < limit_ : rows_.empty();
    if (wants_more && !response.next_page_token().empty() && ++pages_ < kExecutionPagesMax) {
      query_.request.set_page_token(response.next_page_token());
      return ReadPage();
    }
    const bool is_last = query_.top && !wants_more;
    AnswerPage(*exchange_, rows_, is_last ? "" : response.next_page_token(), kDeviceJobRows);
  }

  bool Fits(const std::string& row) const {
    if (!query_.residual) return true;
    const absl::StatusOr<json::Value> document = json::Parse(row);
    return document.ok() && query::Matches(*query_.residual, *document);
  }

  const ExchangePtr exchange_;
  JobStub& jobs_;
  ExecutionQuery query_;
  size_t limit_;
  std::vector<std::string> rows_;
  int pages_ = 0;
};

}  // namespace

void QueryRoutes::Query(const ExchangePtr& exchange) const {
  absl::StatusOr<QueryRequest> request = ParseQueryRequest(*exchange);
  if (!request.ok()) return exchange->Fail(request.status());
  const absl::StatusOr<query::Query> parsed = query::ParseQuery(request->text);
  if (!parsed.ok()) return exchange->Fail(parsed.status());
  if (parsed->collection != query::Collection::kJobs) {
    return QueryTwins(exchange, backends_.twins(), *std::move(request));
  }
  absl::StatusOr<ExecutionQuery> plan = PlanExecutionQuery(*parsed);
  if (!plan.ok()) return exchange->Fail(plan.status());
  if (plan->is_empty) return AnswerPage(*exchange, {}, "", kDeviceJobRows);
  std::make_shared<ExecutionReader>(exchange, backends_.jobs(), *std::move(plan), request->page)->ReadPage();
}

}  // namespace fleetcast::rest_gateway
