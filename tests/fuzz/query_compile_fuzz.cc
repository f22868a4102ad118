// Any condition that parses becomes SQL whose every word, string and number is one of ours, whatever the text held
// (reliability.md 4.4, L1), whose parameters are all used, and whose size is in proportion to the text.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "libs/base/check.h"
#include "libs/query/query.h"
#include "libs/query/sql.h"

namespace {

namespace query = fleetcast::query;
using query::ColumnType;

constexpr query::Column kColumns[] = {{"deviceId", "t.device_id", ColumnType::kText},
                                      {"status", "d.status", ColumnType::kText},
                                      {"lastActivityTime", "d.last", ColumnType::kTime, false, 1, "d.last_text"},
                                      {"version", "t.version", ColumnType::kNumber},
                                      {"tags", "t.tags", ColumnType::kJson, true, 2, "", "t.all_tags"},
                                      {"properties", "", ColumnType::kObject},
                                      {"properties.desired", "t.desired", ColumnType::kJson},
                                      {"properties.reported", "t.reported", ColumnType::kJson},
                                      {"properties.reported.$metadata", "t.reported_metadata", ColumnType::kJson},
                                      {"capabilities.iotEdge", "d.iot_edge", ColumnType::kBool}};

const std::set<std::string, std::less<>> kWords = {"AND",
                                                   "ANY",
                                                   "AS",
                                                   "CASE",
                                                   "COLLATE",
                                                   "ELSE",
                                                   "END",
                                                   "FALSE",
                                                   "FROM",
                                                   "IN",
                                                   "IS",
                                                   "NOT",
                                                   "NULL",
                                                   "OFFSET",
                                                   "OR",
                                                   "SELECT",
                                                   "THEN",
                                                   "TRUE",
                                                   "WHEN",
                                                   "abs",
                                                   "all_tags",
                                                   "boolean",
                                                   "ceil",
                                                   "char_length",
                                                   "coalesce",
                                                   "d",
                                                   "date_part",
                                                   "desired",
                                                   "device_id",
                                                   "div",
                                                   "exp",
                                                   "float8",
                                                   "floor",
                                                   "greatest",
                                                   "integer",
                                                   "interval",
                                                   "iot_edge",
                                                   "jsonb",
                                                   "jsonb_insert",
                                                   "jsonb_path_query_first",
                                                   "jsonb_typeof",
                                                   "last",
                                                   "last_text",
                                                   "least",
                                                   "left",
                                                   "ln",
                                                   "lower",
                                                   "make_date",
                                                   "mod",
                                                   "nullif",
                                                   "numeric",
                                                   "power",
                                                   "regexp_replace",
                                                   "reported",
                                                   "reported_metadata",
                                                   "reverse",
                                                   "round",
                                                   "sign",
                                                   "sqrt",
                                                   "status",
                                                   "strpos",
                                                   "substr",
                                                   "t",
                                                   "tags",
                                                   "text",
                                                   "timestamptz",
                                                   "to_jsonb",
                                                   "upper",
                                                   "version",
                                                   "x"};

const std::set<std::string, std::less<>> kStrings = {
    "",
    "([.][0-9]{6})[0-9]+",
    "(Z|[-+][0-9:]{5})$",
    "0001-01-01T00:00Z",
    "1 month -1 day",
    "10000-01-01T00:00Z",
    "Z",
    "T00:00Z",
    "[]",
    "\\1",
    "^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]{1,3})?$",
    "^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    "(T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?(Z|[-+](0[0-9]|1[0-5]):[0-5][0-9])?)?$",
    "array",
    "boolean",
    "day",
    "null",
    "number",
    "object",
    "strict $[$i]",
    "string",
    "{0}",
    "{}"};

const std::set<std::string, std::less<>> kNumbers = {"0",       "1",         "2",     "4",    "6",     "9",
                                                     "10",      "26",        "40",    "400",  "700",   "690.5",
                                                     "1000000", "100000000", "1e308", "1e40", "1e-40", "1e-41"};

constexpr std::string_view kSymbols = "()[],.:=<>+-*/%|@#^~\"C ";

bool IsWordPart(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Takes the token at the front of `sql` away; false when it is none of ours. Counts up the highest parameter.
bool TakeOurToken(std::string_view& sql, size_t& parameter_max) {
  const char c = sql[0];
  size_t length = 1;
  if (c == '\'') {
    length = sql.find('\'', 1);
    if (length == std::string_view::npos || !kStrings.contains(sql.substr(1, length - 1))) return false;
    ++length;
  } else if (c == '$') {
    size_t parameter = 0;
    const auto [end, error] = std::from_chars(sql.data() + 1, sql.data() + sql.size(), parameter);
    if (error != std::errc()) return false;
    parameter_max = std::max(parameter_max, parameter);
    length = static_cast<size_t>(end - sql.data());
  } else if (absl::ascii_isdigit(static_cast<unsigned char>(c))) {
    while (length < sql.size() && (IsWordPart(sql[length]) || sql[length] == '.')) ++length;
    if (sql[length - 1] == 'e') {
      ++length;
      while (length < sql.size() && IsWordPart(sql[length])) ++length;
    }
    if (!kNumbers.contains(sql.substr(0, length))) return false;
  } else if (IsWordPart(c)) {
    while (length < sql.size() && IsWordPart(sql[length])) ++length;
    const std::string_view word = sql.substr(0, length);
    const bool is_binding = word[0] == 'v' && word.find_first_not_of("0123456789", 1) == std::string_view::npos;
    if (!is_binding && word != "C" && !kWords.contains(word)) return false;
  } else if (kSymbols.find(c) == std::string_view::npos) {
    return false;
  }
  sql.remove_prefix(length);
  return true;
}

void Check(const query::Expr& expression, const query::Binding& binding, size_t text_bytes) {
  constexpr size_t kSqlBytesPerByte = 4096;
  const query::Sql sql = query::CompileCondition(expression, binding, 1);
  FLEETCAST_CHECK(sql.text.size() <= kSqlBytesPerByte * (text_bytes + 1));
  std::string_view rest = sql.text;
  size_t parameter_max = 0;
  while (!rest.empty()) FLEETCAST_CHECK(TakeOurToken(rest, parameter_max));
  FLEETCAST_CHECK(parameter_max == sql.parameters.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  static const query::Path kIndexed[] = {*query::ParsePath("properties.reported.fw.v"), *query::ParsePath("tags.site")};
  const absl::StatusOr<query::Condition> condition = query::ParseCondition(text);
  if (!condition.ok() || !condition->expression) return 0;
  Check(*condition->expression, {.columns = kColumns}, size);
  Check(*condition->expression, {.columns = kColumns, .indexed_paths = kIndexed}, size);
  return 0;
}
