// What the list RPCs have in common: page sizes, state filters, kinds, page tokens. Pure.
#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "fleetcast/jobs/v1/job.pb.h"
#include "libs/job_store/job_store.h"
#include "libs/model/page_token.h"
#include "libs/model/reasons.h"
#include "libs/rpc/status.h"

namespace fleetcast::job_api {

// The size of a page: 100 for 0, at most what the store gives. INVALID_ARGUMENT (INVALID_VALUE) when negative.
absl::StatusOr<int> ReadPageSize(int asked);

// The kind to filter by; nullopt = all. INVALID_ARGUMENT (INVALID_VALUE).
absl::StatusOr<std::optional<job_store::ActionKind>> ReadKind(jobs::v1::ActionKind kind);

// The number in a page token; nullopt for an empty token. INVALID_ARGUMENT (INVALID_PAGE_TOKEN).
absl::StatusOr<std::optional<int64_t>> OpenToken(const PageTokens& tokens, const std::string& token,
                                                 const std::vector<std::string_view>& request);

// The sorted numbers of an enum list, as a part of what a page token is bound to.
template <typename Enums>
std::string StatesKey(const Enums& states) {
  std::set<int> sorted(states.begin(), states.end());
  std::string key;
  for (const int state : sorted) absl::StrAppend(&key, state, ",");
  return key;
}

// The states to filter by, numbered from 1 to `last`. INVALID_ARGUMENT (INVALID_VALUE).
template <typename State, typename Enums>
absl::StatusOr<std::set<State>> ReadStates(const Enums& states, State last) {
  std::set<State> read;
  for (const int state : states) {
    if (state < 1 || state > static_cast<int>(last)) {
      return rpc::InvalidFields({{"states", "names a state that does not exist"}}, reasons::kInvalidValue);
    }
    read.insert(static_cast<State>(state));
  }
  return read;
}

}  // namespace fleetcast::job_api
