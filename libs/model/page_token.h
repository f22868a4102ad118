// Page tokens: opaque, url-safe, bound to the request that they continue, and forgery-proof.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace fleetcast {

inline constexpr size_t kPageTokenBytesMax = 2048;  // A client may put it into a header.
inline constexpr size_t kPagePositionBytesMax = 1024;

// Makes and opens page tokens. A token holds a position (the last key of the page; the caller's own format) and is
// authenticated, together with the request, by HMAC-SHA256: a token with other arguments, from another key or of
// another version is refused. It is not encrypted: a position holds only what the client has seen. Immutable,
// thread-safe.
class PageTokens {
 public:
  // `key`: at least 16 bytes, the same in all replicas of a service.
  explicit PageTokens(std::string_view key);

  // The token for `position`, at most kPagePositionBytesMax long. `request` are the arguments of the listing that must
  // not change between pages (method name, filter, order), in a fixed order; not the page size.
  std::string Seal(std::string_view position, const std::vector<std::string_view>& request) const;

  // The position in `token`. INVALID_ARGUMENT, reason INVALID_PAGE_TOKEN, for anything but an unchanged token of the
  // same request.
  absl::StatusOr<std::string> Open(std::string_view token, const std::vector<std::string_view>& request) const;

 private:
  std::string Sign(std::string_view position, const std::vector<std::string_view>& request) const;

  const std::string key_;
};

}  // namespace fleetcast
