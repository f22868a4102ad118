// Small pieces of the wire that all routes share: members of bodies, times, etags, pages, and writing JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/http/message.h"
#include "libs/json/json.h"

namespace fleetcast::rest_gateway {

// Largest request bodies (service-rest.md 1.3).
inline constexpr size_t kLargeBodyBytesMax = size_t{1024} * 1024;  // Jobs and bulk registry operations.
inline constexpr size_t kBodyBytesMax = size_t{256} * 1024;
// Nesting of a body: what twins and payloads may have inside our own objects.
inline constexpr int kBodyDepthMax = 32;
// Rows of one page, at most and by default.
inline constexpr int kPageSizeMax = 100;

// The body of `request` as JSON. UNSUPPORTED_MEDIA_TYPE for another content type or a compressed body, MALFORMED_BODY
// for what is not JSON within our limits.
absl::StatusOr<json::Value> ParseBody(const http::Request& request);

// As ParseBody; WRONG_TYPE unless the body is an object.
absl::StatusOr<json::Value> ParseObjectBody(const http::Request& request);

// Member `name` (lower camel case) of `object`; its first letter may be upper case. Null when absent, null or when
// `object` is null or no object.
const json::Value* FindMember(const json::Value* object, std::string_view name);

// As FindMember with one JSON type: nothing when absent or null, WRONG_TYPE for another type.
absl::StatusOr<const json::Value*> ObjectMember(const json::Value* object, std::string_view name);
absl::StatusOr<std::optional<std::string>> TextMember(const json::Value* object, std::string_view name);
absl::StatusOr<std::optional<int64_t>> IntegerMember(const json::Value* object, std::string_view name);
absl::StatusOr<std::optional<bool>> BoolMember(const json::Value* object, std::string_view name);

// INVALID_ARGUMENT with one of the reasons of azure_errors.h.
absl::Status BadRequest(std::string_view reason, std::string_view message);

// An ISO 8601 time with any offset, or none for UTC, and any number of fractional digits.
std::optional<absl::Time> ParseTime(std::string_view text);

// The etag that If-Match demands, without weakness mark and quotes; `*` for any. Nothing when absent or empty.
std::optional<std::string> IfMatch(const http::Request& request);

// `etag` as a header value: in quotes.
std::string QuotedEtag(std::string_view etag);

struct PageRequest {
  int size = kPageSizeMax;
  std::string token;
};

// The page that the headers x-ms-max-item-count and x-ms-continuation ask for; sizes out of range are clamped.
PageRequest PageFromHeaders(const http::Request& request);

// Writes one JSON object, member by member.
class ObjectWriter {
 public:
  ObjectWriter& Text(std::string_view name, std::string_view value);
  // JSON text as it is; "null" when it is empty.
  ObjectWriter& Json(std::string_view name, std::string_view text);
  ObjectWriter& Integer(std::string_view name, int64_t value);
  ObjectWriter& Bool(std::string_view name, bool value);
  // With seven fractional digits; 0001-01-01T00:00:00Z for the infinite past.
  ObjectWriter& Time(std::string_view name, absl::Time value);

  // The object; the writer is empty afterwards.
  std::string Finish();

 private:
  void Name(std::string_view name);

  std::string text_;
};

}  // namespace fleetcast::rest_gateway
