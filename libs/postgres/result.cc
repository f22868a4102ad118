#include "libs/postgres/result.h"

#include <charconv>
#include <pqxx/result>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "libs/base/strings.h"
#include "libs/postgres/array.h"

namespace fleetcast::postgres {
namespace internal {
namespace {

template <typename Number>
bool ParseNumber(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

template <typename Value>
bool ParseArray(std::string_view text, std::vector<Value>& out) {
  auto elements = ParseArrayLiteral(text);
  if (!elements.has_value()) return false;
  out.reserve(elements->size());
  for (std::optional<std::string>& element : *elements) {
    if (!element.has_value()) return false;
    if constexpr (std::is_same_v<Value, std::string>) {
      out.push_back(std::move(*element));
    } else {
      if (!ParseNumber(*element, out.emplace_back())) return false;
    }
  }
  return true;
}

}  // namespace

bool Parse(std::string_view text, std::string& out) {
  out = text;
  return true;
}

bool Parse(std::string_view text, std::string_view& out) {
  out = text;
  return true;
}

bool Parse(std::string_view text, bool& out) {
  out = text == "t";
  return out || text == "f";
}

bool Parse(std::string_view text, int16_t& out) { return ParseNumber(text, out); }
bool Parse(std::string_view text, int32_t& out) { return ParseNumber(text, out); }
bool Parse(std::string_view text, int64_t& out) { return ParseNumber(text, out); }
bool Parse(std::string_view text, double& out) { return ParseNumber(text, out); }

bool Parse(std::string_view text, absl::Time& out) {
  // Sessions run in UTC with ISO dates (connection.cc), so the offset is always +00.
  if (!absl::EndsWith(Absl(text), "+00")) return false;
  text.remove_suffix(3);
  std::string error;
  return absl::ParseTime("%Y-%m-%d %H:%M:%E*S", Absl(text), absl::UTCTimeZone(), &out, &error);
}

bool Parse(std::string_view text, std::vector<std::string>& out) { return ParseArray(text, out); }
bool Parse(std::string_view text, std::vector<int32_t>& out) { return ParseArray(text, out); }
bool Parse(std::string_view text, std::vector<int64_t>& out) { return ParseArray(text, out); }

bool ParseBytes(std::string_view text, std::string& out) {
  if (!absl::StartsWith(Absl(text), "\\x")) return false;
  out = absl::HexStringToBytes(Absl(text.substr(2)));
  return true;
}

}  // namespace internal

std::optional<std::string_view> Row::Text(int column) const {
  FLEETCAST_CHECK(column >= 0 && column < static_cast<int>(result_->columns()));
  const pqxx::field field = (*result_)[static_cast<pqxx::result::size_type>(row_)][column];
  if (field.is_null()) return std::nullopt;
  return std::string_view(field.c_str(), field.size());
}

std::optional<std::string_view> Row::Text(const char* column) const {
  // Throws only for a column that the statement does not have: a bug, and the process ends.
  return Text(static_cast<int>(result_->column_number(column)));
}

Result::Result(std::shared_ptr<const pqxx::result> result)
    : result_(std::move(result)), size_(static_cast<int>(result_->size())) {}

int64_t Result::affected_rows() const { return static_cast<int64_t>(result_->affected_rows()); }

int Result::columns() const { return static_cast<int>(result_->columns()); }

std::optional<int> Result::FindColumn(std::string_view name) const {
  for (int column = 0; column < columns(); ++column) {
    if (name == result_->column_name(column)) return column;
  }
  return std::nullopt;
}

}  // namespace fleetcast::postgres
