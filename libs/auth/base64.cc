#include "libs/auth/base64.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "libs/base/strings.h"

namespace fleetcast::auth {
namespace {

// The value of a hex digit, or -1.
int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::string Base64Encode(std::string_view bytes) { return absl::Base64Escape(Absl(bytes)); }

std::optional<std::string> Base64Decode(std::string_view text) {
  std::string bytes;
  if (!absl::Base64Unescape(Absl(text), &bytes)) return std::nullopt;
  // Abseil tolerates blanks, missing padding and stray bits; one value has one spelling here.
  if (absl::Base64Escape(bytes) != Absl(text)) return std::nullopt;
  return bytes;
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexValue(text[i + 1]);
    const int low = HexValue(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-._~";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(octet) || kPlain.find(c) != std::string_view::npos) {
      out.push_back(c);
    } else {
      out.append({'%', kHex[octet >> 4], kHex[octet & 15]});
    }
  }
  return out;
}

}  // namespace fleetcast::auth
