#include "libs/postgres/array.h"

#include <utility>

namespace fleetcast::postgres {
namespace {

// Reads one quoted element; `at` stands behind the opening quote and is left behind the closing one.
std::optional<std::string> ParseQuoted(std::string_view literal, size_t& at) {
  std::string element;
  while (at < literal.size()) {
    const char c = literal[at++];
    if (c == '"') return element;
    if (c == '\\') {
      if (at >= literal.size()) return std::nullopt;
      element.push_back(literal[at++]);
    } else {
      element.push_back(c);
    }
  }
  return std::nullopt;
}

}  // namespace

std::string ToArrayLiteral(std::span<const std::optional<std::string>> elements) {
  size_t bytes = 2;
  for (const auto& element : elements) bytes += element.has_value() ? element->size() + 3 : 5;
  std::string literal;
  literal.reserve(bytes);
  literal.push_back('{');
  for (const auto& element : elements) {
    if (literal.size() > 1) literal.push_back(',');
    if (!element.has_value()) {
      literal.append("NULL");
      continue;
    }
    literal.push_back('"');
    for (const char c : *element) {
      if (c == '"' || c == '\\') literal.push_back('\\');
      literal.push_back(c);
    }
    literal.push_back('"');
  }
  literal.push_back('}');
  return literal;
}

std::optional<std::vector<std::optional<std::string>>> ParseArrayLiteral(std::string_view literal) {
  if (literal.size() < 2 || literal.front() != '{' || literal.back() != '}') return std::nullopt;
  std::vector<std::optional<std::string>> elements;
  if (literal == "{}") return elements;
  size_t at = 1;
  while (true) {
    if (literal[at] == '"') {
      std::optional<std::string> element = ParseQuoted(literal, ++at);
      if (!element.has_value()) return std::nullopt;
      elements.push_back(std::move(element));
    } else {
      const size_t end = literal.find_first_of(",{}", at);
      if (end == std::string_view::npos || end == at) return std::nullopt;
      const std::string_view element = literal.substr(at, end - at);
      elements.push_back(element == "NULL" ? std::nullopt : std::optional<std::string>(element));
      at = end;
    }
    if (at >= literal.size()) return std::nullopt;
    if (literal[at] == '}') return at + 1 == literal.size() ? std::optional(std::move(elements)) : std::nullopt;
    if (literal[at] != ',' || ++at >= literal.size()) return std::nullopt;
  }
}

}  // namespace fleetcast::postgres
