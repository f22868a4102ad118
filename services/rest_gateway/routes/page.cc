#include "services/rest_gateway/routes/page.h"

#include <utility>
#include <vector>

#include "libs/json/json.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {

void AnswerPage(Exchange& exchange, std::string array, std::string_view next_token, std::string_view item_type) {
  std::vector<http::Header> headers = {{"x-ms-item-type", std::string(item_type)}};
  if (exchange.dialect() == Dialect::kDt) {
    const std::string token = next_token.empty() ? "null" : json::Quote(next_token);
    return exchange.Answer(ObjectWriter().Json("items", array).Json("continuationToken", token).Finish(),
                           std::move(headers));
  }
  if (!next_token.empty()) headers.push_back({"x-ms-continuation", std::string(next_token)});
  exchange.Answer(std::move(array), std::move(headers));
}

}  // namespace fleetcast::rest_gateway
