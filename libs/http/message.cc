#include "libs/http/message.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/auth/base64.h"
#include "libs/base/strings.h"

namespace fleetcast::http {
namespace {

// One decoding for paths and query values; a NUL has no business in either.
std::optional<std::string> Decode(std::string_view text) {
  std::optional<std::string> decoded = auth::PercentDecode(text);
  if (decoded && decoded->find('\0') != std::string::npos) return std::nullopt;
  return decoded;
}

bool ParsePath(std::string_view path, Target& target) {
  for (const absl::string_view raw : absl::StrSplit(Absl(path), '/', absl::SkipEmpty())) {
    std::optional<std::string> segment = Decode(Std(raw));
    if (!segment) return false;
    target.segments.push_back(*std::move(segment));
  }
  return true;
}

bool ParseQuery(std::string_view query, Target& target) {
  for (const absl::string_view raw : absl::StrSplit(Absl(query), '&', absl::SkipEmpty())) {
    const std::string spaced = absl::StrReplaceAll(raw, {{"+", " "}});
    const size_t equals = std::min(spaced.find('='), spaced.size());
    const std::optional<std::string> name = Decode(std::string_view(spaced).substr(0, equals));
    std::optional<std::string> value =
        Decode(equals < spaced.size() ? std::string_view(spaced).substr(equals + 1) : std::string_view());
    if (!name || !value) return false;
    target.query.emplace_back(absl::AsciiStrToLower(*name), *std::move(value));
  }
  return true;
}

}  // namespace

std::optional<std::string_view> Request::FindHeader(std::string_view name) const {
  for (const Header& header : headers) {
    if (absl::EqualsIgnoreCase(header.name, Absl(name))) return Std(absl::StripAsciiWhitespace(header.value));
  }
  return std::nullopt;
}

size_t Request::CountHeader(std::string_view name) const {
  return static_cast<size_t>(std::count_if(headers.begin(), headers.end(), [&](const Header& header) {
    return absl::EqualsIgnoreCase(header.name, Absl(name));
  }));
}

std::optional<std::string_view> Request::FindQuery(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

size_t Request::CountQuery(std::string_view name) const {
  return static_cast<size_t>(
      std::count_if(query.begin(), query.end(), [&](const auto& parameter) { return parameter.first == name; }));
}

std::optional<Target> ParseTarget(std::string_view target) {
  for (const absl::string_view scheme : {"http://", "https://"}) {
    if (!absl::StartsWithIgnoreCase(Absl(target), scheme)) continue;
    target.remove_prefix(scheme.size());
    const size_t path = target.find_first_of("/?");
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
    break;
  }
  if (target.empty() || (target.front() != '/' && target.front() != '?')) return std::nullopt;
  if (target.find('#') != std::string_view::npos) return std::nullopt;
  Target parsed;
  const size_t mark = target.find('?');
  if (!ParsePath(target.substr(0, mark), parsed)) return std::nullopt;
  if (mark != std::string_view::npos && !ParseQuery(target.substr(mark + 1), parsed)) return std::nullopt;
  return parsed;
}

}  // namespace fleetcast::http
