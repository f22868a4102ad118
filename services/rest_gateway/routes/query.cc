#include "services/rest_gateway/routes/query.h"

#include <algorithm>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/query/query.h"
#include "services/rest_gateway/azure_errors.h"
#include "services/rest_gateway/backends.h"
#include "services/rest_gateway/routes/execution_query.h"
#include "services/rest_gateway/routes/page.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {
namespace {

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
  using TwinAsync = twins::v1::TwinService::StubInterface::async_interface;
  twins::v1::QueryTwinsRequest request;
  request.set_query(std::move(query.text));
  request.set_page_size(query.page.size);
  request.set_page_token(std::move(query.page.token));
  CallOrFail(exchange, kQueryLimit, "fleetcast.twins.v1.TwinService/QueryTwins", twins.async(), &TwinAsync::QueryTwins,
             std::move(request), [exchange](const twins::v1::QueryTwinsResponse& response) {
               const bool is_raw = response.row_kind() == twins::v1::QueryTwinsResponse::ROW_KIND_RAW;
               AnswerPage(*exchange, JsonArray(response.rows()), response.next_page_token(),
                          is_raw ? kRawRows : kTwinRows);
             });
}

}  // namespace

void QueryRoutes::Query(const ExchangePtr& exchange) const {
  absl::StatusOr<QueryRequest> request = ParseQueryRequest(*exchange);
  if (!request.ok()) return exchange->Fail(request.status());
  absl::StatusOr<query::Query> parsed = query::ParseQuery(request->text, profile_);
  if (!parsed.ok()) return exchange->Fail(parsed.status());
  if (parsed->collection != query::Collection::kJobs) {
    return QueryTwins(exchange, backends_.twins(), *std::move(request));
  }
  RunExecutionQuery(exchange, backends_.jobs(), tokens_,
                    {*std::move(parsed), std::move(request->text), std::move(request->page)}, clock_.Now());
}

}  // namespace fleetcast::rest_gateway
