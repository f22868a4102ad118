#include "services/rest_gateway/routes/page.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/json/json.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {

void AnswerPage(Exchange& exchange, const std::vector<std::string>& rows, std::string_view next_token,
                std::string_view item_type) {
  const std::string items = absl::StrCat("[", absl::StrJoin(rows, ","), "]");
  std::vector<http::Header> headers = {{"x-ms-item-type", std::string(item_type)}};
  if (exchange.dialect() == Dialect::kDt) {
    const std::string token = next_token.empty() ? "null" : json::Quote(next_token);
    return exchange.Answer(ObjectWriter().Json("items", items).Json("continuationToken", token).Finish(),
                           std::move(headers));
  }
  if (!next_token.empty()) headers.push_back({"x-ms-continuation", std::string(next_token)});
  exchange.Answer(items, std::move(headers));
}

}  // namespace fleetcast::rest_gateway
