#include "services/twin/query_runner.h"

#include <algorithm>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"
#include "libs/model/reasons.h"
#include "libs/query/rows.h"
#include "services/twin/page_size.h"

namespace fleetcast::twin {
namespace {

using twins::v1::QueryTwinsRequest;
using twins::v1::QueryTwinsResponse;

constexpr int64_t kNoTop = std::numeric_limits<int64_t>::max();
// Documents read from the database at once: at most some 10 MB. More than a page of 100: one more row than that tells
// that there is another page.
constexpr int kRowsPerRead = 128;
// Start::offset of documents: replicas that do not know it yet can read the token.
constexpr int64_t kSelective = 1;

// The row of a projection, or the whole document.
absl::StatusOr<std::string> RowText(const query::Query& query, std::string document) {
  if (query.items.empty()) return document;
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value value,
                             json::Parse(document, {.bytes_max = size_t{64} << 20, .depth_max = 64}));
  return json::Print(query::Project(query.items, value));
}

absl::Status BadToken(std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidPageToken, message);
}

}  // namespace

absl::Status QueryRunner::Run(absl::Time deadline, const QueryTwinsRequest& request, QueryTwinsResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  FLEETCAST_ASSIGN_OR_RETURN(const query::Query query, query::ParseQuery(request.query(), profile_));
  if (query.collection == query::Collection::kJobs) {
    return query::ErrorAt(query::kInvalidQuery, {}, "devices.jobs is not here but with the jobs");
  }
  FLEETCAST_ASSIGN_OR_RETURN(const Start start, Open(query, request));
  response.set_row_kind(query.items.empty() ? QueryTwinsResponse::ROW_KIND_TWIN : QueryTwinsResponse::ROW_KIND_RAW);
  return query.is_aggregate() ? RunGroups(deadline, query, start, page_size, request, response)
                              : RunDocuments(deadline, query, start, page_size, request, response);
}

absl::StatusOr<QueryRunner::Start> QueryRunner::Open(const query::Query& query,
                                                     const QueryTwinsRequest& request) const {
  Start start;
  start.left = query.top.value_or(kNoTop);
  if (request.page_token().empty()) return start;
  FLEETCAST_ASSIGN_OR_RETURN(const std::string position,
                             tokens_.Open(request.page_token(), {"QueryTwins", request.query()}));
  // The token is authentic, so its form is ours: left, offset, expiry in seconds, last key.
  const std::vector<std::string> parts = absl::StrSplit(position, absl::MaxSplits(' ', 3));
  int64_t expiry = 0;
  const bool is_good = parts.size() == 4 && absl::SimpleAtoi(parts[0], &start.left) &&
                       absl::SimpleAtoi(parts[1], &start.offset) && absl::SimpleAtoi(parts[2], &expiry);
  if (!is_good) return BadToken("the page token is of another version");
  if (absl::FromUnixSeconds(expiry) <= clock_.Now())
    return BadToken("the page token is too old; start again without it");
  const std::vector<std::string> key = absl::StrSplit(parts[3], absl::MaxSplits('/', 1));
  start.after = {key[0], key.size() > 1 ? key[1] : ""};
  return start;
}

std::string QueryRunner::Seal(const Start& next, const QueryTwinsRequest& request) const {
  const int64_t expiry = absl::ToUnixSeconds(clock_.Now() + kPageTokenLife);
  return tokens_.Seal(absl::StrCat(next.left, " ", next.offset, " ", expiry, " ", next.after.ToString()),
                      {"QueryTwins", request.query()});
}

absl::Status QueryRunner::RunGroups(absl::Time deadline, const query::Query& query, const Start& start, int page_size,
                                    const QueryTwinsRequest& request, QueryTwinsResponse& response) {
  const auto limit = static_cast<int>(std::min<int64_t>(page_size, start.left));
  FLEETCAST_ASSIGN_OR_RETURN(const std::vector<std::string> rows,
                             store_.Groups(deadline, query, start.offset, limit + 1));
  for (int i = 0; i < std::min(limit, static_cast<int>(rows.size())); ++i)
    response.add_rows(rows[static_cast<size_t>(i)]);
  const Start next = {start.left == kNoTop ? kNoTop : start.left - limit, {}, start.offset + limit};
  if (static_cast<int>(rows.size()) > limit && next.left > 0) response.set_next_page_token(Seal(next, request));
  return absl::OkStatus();
}

absl::Status QueryRunner::RunDocuments(absl::Time deadline, const query::Query& query, const Start& start,
                                       int page_size, const QueryTwinsRequest& request, QueryTwinsResponse& response) {
  Start next = start;
  size_t bytes = 0;
  const auto limit = static_cast<int>(std::min<int64_t>(page_size, start.left));
  while (true) {
    // One more than fits tells whether there is another page.
    const int wanted = std::min(limit - response.rows_size() + 1, kRowsPerRead);
    FLEETCAST_ASSIGN_OR_RETURN(const TwinPage page, store_.Twins(deadline, query.collection, query.where, next.after,
                                                                 wanted, next.offset == kSelective));
    next.offset = page.is_selective ? kSelective : 0;
    for (const TwinRow& row : page.twins) {
      FLEETCAST_ASSIGN_OR_RETURN(std::string text, RowText(query, TwinDocument(row)));
      const bool is_full =
          response.rows_size() == limit || (response.rows_size() > 0 && bytes + text.size() > kPageBytesMax);
      if (is_full) {
        if (next.left > 0) response.set_next_page_token(Seal(next, request));
        return absl::OkStatus();
      }
      bytes += text.size();
      response.add_rows(std::move(text));
      next.after = {row.device_id, row.module_id};
      if (next.left != kNoTop) --next.left;
    }
    if (static_cast<int>(page.twins.size()) < wanted) return absl::OkStatus();
  }
}

}  // namespace fleetcast::twin
