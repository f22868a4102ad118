// Whole queries over twins: parse, page, project.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "fleetcast/twins/v1/twin.pb.h"
#include "libs/base/clock.h"
#include "libs/model/ids.h"
#include "libs/model/page_token.h"
#include "libs/query/query.h"
#include "services/twin/store/query_store.h"

namespace fleetcast::twin {

// A page also ends before its rows exceed this, so that it fits into a message.
inline constexpr size_t kPageBytesMax = size_t{3} << 20;

// How long the token of a page can be used.
inline constexpr absl::Duration kPageTokenLife = absl::Hours(24);

// Thread-safe.
class QueryRunner {
 public:
  QueryRunner(QueryStore& store, const PageTokens& tokens, query::Profile profile, Clock& clock)
      : store_(store), tokens_(tokens), profile_(profile), clock_(clock) {}

  // One page. INVALID_ARGUMENT: INVALID_QUERY, INVALID_PAGE_TOKEN (of another query, changed, older than
  // kPageTokenLife), a negative page size.
  absl::Status Run(absl::Time deadline, const twins::v1::QueryTwinsRequest& request,
                   twins::v1::QueryTwinsResponse& response);

 private:
  // Where a page begins.
  struct Start {
    int64_t left = 0;    // Rows that TOP still allows; a huge number without TOP.
    Identity after;      // Documents: the last one.
    int64_t offset = 0;  // Groups: rows already given. Documents: 1 after a selective page (TwinPage), else 0.
  };

  absl::StatusOr<Start> Open(const query::Query& query, const twins::v1::QueryTwinsRequest& request) const;
  std::string Seal(const Start& next, const twins::v1::QueryTwinsRequest& request) const;
  absl::Status RunGroups(absl::Time deadline, const query::Query& query, const Start& start, int page_size,
                         const twins::v1::QueryTwinsRequest& request, twins::v1::QueryTwinsResponse& response);
  absl::Status RunDocuments(absl::Time deadline, const query::Query& query, const Start& start, int page_size,
                            const twins::v1::QueryTwinsRequest& request, twins::v1::QueryTwinsResponse& response);

  QueryStore& store_;
  const PageTokens& tokens_;
  const query::Profile profile_;
  Clock& clock_;
};

}  // namespace fleetcast::twin
