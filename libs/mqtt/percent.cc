#include "libs/mqtt/percent.h"

#include <cstdint>

namespace fleetcast::mqtt {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

bool IsUnreserved(char c) {
  const bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  return is_letter || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

// The value of a hex digit, or -1.
int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte written as %XX at `text[i]`, or -1.
int EncodedByte(std::string_view text, size_t i) {
  if (text.size() - i < 3) return -1;
  const int high = HexValue(text[i + 1]);
  const int low = HexValue(text[i + 2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

}  // namespace

void PercentEncode(std::string_view text, std::string* out) {
  for (const char c : text) {
    if (IsUnreserved(c)) {
      out->push_back(c);
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    out->push_back('%');
    out->push_back(kHexDigits[byte >> 4]);
    out->push_back(kHexDigits[byte & 0xf]);
  }
}

size_t PercentEncodedSize(std::string_view text) {
  size_t size = 0;
  for (const char c : text) size += IsUnreserved(c) ? 1 : 3;
  return size;
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    const int byte = EncodedByte(text, i);
    if (byte < 0) return std::nullopt;
    decoded.push_back(static_cast<char>(byte));
    i += 2;
  }
  return decoded;
}

bool IsPercentEncoded(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && EncodedByte(text, i) < 0) return false;
  }
  return true;
}

}  // namespace fleetcast::mqtt
