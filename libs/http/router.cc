#include "libs/http/router.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace fleetcast::http {
namespace {

constexpr char kCapture[] = "*";

// What the pattern's `*` stand for, or nothing when the path does not fit.
std::optional<std::vector<std::string>> Captures(const std::vector<std::string>& pattern,
                                                 const std::vector<std::string>& segments) {
  if (pattern.size() != segments.size()) return std::nullopt;
  std::vector<std::string> captures;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == kCapture) {
      captures.push_back(segments[i]);
    } else if (!absl::EqualsIgnoreCase(pattern[i], segments[i])) {
      return std::nullopt;
    }
  }
  return captures;
}

}  // namespace

void Router::Add(Route route) {
  std::vector<std::string> pattern = absl::StrSplit(route.pattern, '/', absl::SkipEmpty());
  entries_.push_back(std::make_shared<const Entry>(Entry{std::move(route), std::move(pattern)}));
}

Router::Match Router::Find(std::string_view method, const std::vector<std::string>& segments) const {
  Match match;
  for (const std::shared_ptr<const Entry>& entry : entries_) {
    std::optional<std::vector<std::string>> captures = Captures(entry->pattern, segments);
    if (!captures) continue;
    match.is_path_known = true;
    if (entry->route.method != method) continue;
    match.route = &entry->route;
    match.captures = *std::move(captures);
    return match;
  }
  return match;
}

}  // namespace fleetcast::http
