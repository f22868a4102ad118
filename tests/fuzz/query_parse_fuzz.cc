// Any text as a query and as a condition: it is refused with a position inside the text, or it has a meaning on every
// document. What the strict profile takes, the lenient one takes too.
#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/query/interpreter.h"
#include "libs/query/query.h"
#include "libs/query/rows.h"

namespace {

using fleetcast::GetErrorDetail;
using fleetcast::GetReason;
namespace json = fleetcast::json;
namespace query = fleetcast::query;

const std::vector<json::Value>& Documents() {
  static const std::vector<json::Value> documents = {
      *json::Parse(R"({"deviceId":"d1","status":"enabled","version":7,"lastActivityTime":"2026-03-04T05:06:07.1234560Z",
        "capabilities":{"iotEdge":false},"tags":{"site":"munich","floor":2,"canary":false,"a":{"b":[1,"x",null]}},
        "properties":{"desired":{"n":1e308,"$version":3},"reported":{"fw":{"v":"2.1"},"list":[1,2],"t":"2026-03-04",
        "$metadata":{"$lastUpdated":"2026-03-04T05:06:07.1234560Z"}}}})"),
      *json::Parse(R"({"deviceId":"d2","tags":{},"properties":{"reported":{"n":-0.5,"s":"\u00e9\u20ac"}}})"),
      *json::Parse("{}")};
  return documents;
}

void CheckError(const absl::Status& status, std::string_view reason, std::string_view text) {
  FLEETCAST_CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  FLEETCAST_CHECK(GetReason(status) == reason);
  FLEETCAST_CHECK(status.message().size() < 1024);
  const std::string column = GetErrorDetail(status).metadata.at("column");
  size_t value = 0;
  std::from_chars(column.data(), column.data() + column.size(), value);
  FLEETCAST_CHECK(value >= 1 && value <= text.size() + 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const absl::StatusOr<query::Query> parsed = query::ParseQuery(text);
  if (!parsed.ok()) CheckError(parsed.status(), query::kInvalidQuery, text);
  if (parsed.ok()) {
    const std::vector<json::Value> rows = query::SelectRows(*parsed, Documents());
    const bool is_one_row = parsed->is_aggregate() && parsed->group_by.empty();
    FLEETCAST_CHECK(is_one_row ? rows.size() == 1 : rows.size() <= Documents().size());
  }
  if (query::ParseQuery(text, query::Profile::kStrict).ok()) FLEETCAST_CHECK(parsed.ok());
  const absl::StatusOr<query::Condition> condition = query::ParseCondition(text);
  if (!condition.ok()) CheckError(condition.status(), query::kInvalidCondition, text);
  if (condition.ok() && condition->expression) {
    for (const json::Value& document : Documents()) {
      const bool is_true = query::Matches(*condition->expression, document);
      query::Expr opposite;
      opposite.kind = query::Expr::Kind::kNot;
      opposite.args.push_back(*condition->expression);
      FLEETCAST_CHECK(!is_true || !query::Matches(opposite, document));
    }
  }
  query::ParsePath(text).status().IgnoreError();
  query::NormalizeTime(text);
  return 0;
}
