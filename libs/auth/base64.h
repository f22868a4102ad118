// Base64 (RFC 4648 section 4) and percent coding (RFC 3986 section 2.1), as shared access signatures use them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fleetcast::auth {

// Standard alphabet, with padding.
std::string Base64Encode(std::string_view bytes);

// Strict: standard alphabet, padded, no blanks, no stray bits. Nothing for anything else.
std::optional<std::string> Base64Decode(std::string_view text);

// Decodes `%XX` once; every other octet, `+` included, stands for itself. Nothing when a `%` is not followed by two hex
// digits.
std::optional<std::string> PercentDecode(std::string_view text);

// Encodes everything but letters, digits and `-._~`, with upper-case hex digits.
std::string PercentEncode(std::string_view text);

}  // namespace fleetcast::auth
