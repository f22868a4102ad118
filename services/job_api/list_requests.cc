#include "services/job_api/list_requests.h"

#include "absl/strings/numbers.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"

namespace fleetcast::job_api {
namespace {

constexpr int kPageSizeDefault = 100;

}  // namespace

absl::StatusOr<int> ReadPageSize(int asked) {
  if (asked < 0) return rpc::InvalidFields({{"page_size", "must not be negative"}}, reasons::kInvalidValue);
  return asked == 0 ? kPageSizeDefault : std::min(asked, job_store::kPageSizeMax);
}

absl::StatusOr<std::optional<job_store::ActionKind>> ReadKind(jobs::v1::ActionKind kind) {
  if (kind == jobs::v1::ACTION_KIND_UNSPECIFIED) return std::nullopt;
  if (!jobs::v1::ActionKind_IsValid(kind)) {
    return rpc::InvalidFields({{"action_kind", "names a kind that does not exist"}}, reasons::kInvalidValue);
  }
  return static_cast<job_store::ActionKind>(kind);
}

absl::StatusOr<std::optional<int64_t>> OpenToken(const PageTokens& tokens, const std::string& token,
                                                 const std::vector<std::string_view>& request) {
  if (token.empty()) return std::nullopt;
  FLEETCAST_ASSIGN_OR_RETURN(const std::string position, tokens.Open(token, request));
  int64_t number = 0;
  if (!absl::SimpleAtoi(position, &number)) {
    return MakeError(absl::StatusCode::kInvalidArgument, reasons::kInvalidPageToken,
                     "the page token is not one of ours");
  }
  return number;
}

}  // namespace fleetcast::job_api
