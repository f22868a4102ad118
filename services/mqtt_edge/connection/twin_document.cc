#include "services/mqtt_edge/connection/twin_document.h"

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace fleetcast::mqtt_edge {
namespace {

// The index behind the string that starts at `text[begin]`, a quote.
size_t EndOfString(std::string_view text, size_t begin) {
  size_t i = begin + 1;
  while (i < text.size() && text[i] != '"') i += text[i] == '\\' ? 2 : 1;
  return i + 1;
}

}  // namespace

std::string_view DesiredSection(std::string_view document) {
  constexpr std::string_view kName = "\"desired\"";
  int depth = 0;
  size_t value = std::string_view::npos;  // Where the wanted object starts, once its name was seen.
  for (size_t i = 0; i < document.size();) {
    const char c = document[i];
    if (c == '"') {
      const size_t end = EndOfString(document, i);
      const bool is_name = depth == 1 && document.substr(i, end - i) == kName;
      i = end;
      if (is_name) value = document.find('{', end);
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    ++i;
    if (depth == 1 && c == '}' && value < i) return document.substr(value, i - value);
  }
  return {};
}

std::string TwinError(int status, std::string_view message, absl::Time now) {
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", now, absl::UTCTimeZone());
  return absl::StrCat("{\"errorCode\":", status, "000,\"message\":\"", Absl(message), "\",\"timestampUtc\":\"", time,
                      "\"}");
}

}  // namespace fleetcast::mqtt_edge
