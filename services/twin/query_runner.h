// Whole queries over twins: parse, page, project.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "fleetcast/twins/v1/twin.pb.h"
#include "libs/model/page_token.h"
#include "libs/query/query.h"
#include "services/twin/store/query_store.h"

namespace fleetcast::twin {

// A page also ends before its rows exceed this, so that it fits into a message.
inline constexpr size_t kPageBytesMax = size_t{3} << 20;

// Thread-safe.
class QueryRunner {
 public:
  QueryRunner(QueryStore& store, const PageTokens& tokens) : store_(store), tokens_(tokens) {}

  // One page. INVALID_ARGUMENT: INVALID_QUERY, INVALID_PAGE_TOKEN, a negative page size.
  absl::Status Run(absl::Time deadline, const twins::v1::QueryTwinsRequest& request,
                   twins::v1::QueryTwinsResponse& response);

 private:
  // Where a page begins.
  struct Start {
    int64_t left = 0;    // Rows that TOP still allows; a huge number without TOP.
    std::string after;   // Documents: the last device id.
    int64_t offset = 0;  // Groups: rows already given.
  };

  absl::StatusOr<Start> Open(const query::Query& query, const twins::v1::QueryTwinsRequest& request) const;
  std::string Seal(const Start& next, const twins::v1::QueryTwinsRequest& request) const;
  absl::Status RunGroups(absl::Time deadline, const query::Query& query, const Start& start, int page_size,
                         const twins::v1::QueryTwinsRequest& request, twins::v1::QueryTwinsResponse& response);
  absl::Status RunDocuments(absl::Time deadline, const query::Query& query, const Start& start, int page_size,
                            const twins::v1::QueryTwinsRequest& request, twins::v1::QueryTwinsResponse& response);

  QueryStore& store_;
  const PageTokens& tokens_;
};

}  // namespace fleetcast::twin
