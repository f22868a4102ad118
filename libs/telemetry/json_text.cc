#include "libs/telemetry/json_text.h"

#include <cstdint>

namespace fleetcast::telemetry {
namespace {

// The length of the UTF-8 character that `text` starts with; 0 when it does not start with one.
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and beyond U+10FFFF.
  if (first == 0xe0 && byte(1) < 0xa0) return 0;
  if (first == 0xed && byte(1) > 0x9f) return 0;
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

void AppendEscaped(char c, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"': *out += "\\\""; return;
    case '\\': *out += "\\\\"; return;
    case '\n': *out += "\\n"; return;
    case '\t': *out += "\\t"; return;
    case '\r': *out += "\\r"; return;
    default:
      *out += "\\u00";
      out->push_back(kHex[static_cast<uint8_t>(c) >> 4]);
      out->push_back(kHex[static_cast<uint8_t>(c) & 15]);
  }
}

}  // namespace

void AppendJsonString(std::string_view text, size_t bytes_max, std::string* out) {
  out->push_back('"');
  size_t at = 0;
  while (at < text.size()) {
    const size_t length = Utf8Length(text.substr(at));
    if (at + (length == 0 ? 1 : length) > bytes_max) {
      *out += "…";
      break;
    }
    const char c = text[at];
    const bool plain = length > 1 || (length == 1 && c >= ' ' && c != '"' && c != '\\' && c != '\x7f');
    if (plain) {
      out->append(text.substr(at, length));
      at += length;
    } else {
      AppendEscaped(c, out);
      ++at;
    }
  }
  out->push_back('"');
}

}  // namespace fleetcast::telemetry
