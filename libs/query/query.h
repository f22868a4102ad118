// The query language (spec query-language.md): text in, typed tree out. Pure; the tree knows nothing of storage, so the
// SQL compiler (sql.h), the interpreter (interpreter.h) and the filter of job records (job_filter.h) share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/json/json.h"
#include "libs/model/reasons.h"

namespace fleetcast::query {

// Reasons of the errors below (code INVALID_ARGUMENT). The message begins with "Line 1:29 "; metadata has "line" and
// "column", counted in characters from 1.
using reasons::kInvalidCondition;  // ParseCondition.
using reasons::kInvalidQuery;      // ParseQuery.

// Bounds that keep parser, tree, SQL text and planner small whatever the input is (reliability.md 4.4, L2).
struct Limits {
  size_t bytes_max;
  int depth_max;  // Nested brackets, NOT, signs and calls.
  int terms_max;  // Comparisons, calls, paths: everything that becomes a piece of SQL.
  int list_max;   // Elements of one IN list.
};
// How much of the language is read: all of it, or only what IoT Hub itself executes (query-language.md 2, 3, 4.3, 5).
enum class Profile : uint8_t { kLenient, kStrict };

inline constexpr Limits kQueryLimits = {size_t{64} * 1024, 200, 500, 5'000};
inline constexpr Limits kJobConditionLimits = {size_t{1024} * 1024, 200, 1'000, 30'000};

struct Position {
  int line = 1;
  int column = 1;
};

enum class Collection : uint8_t { kDevices, kModules, kJobs };

// One step of a path: a member, or an element of an array (`is_index`, `name` holds the decimal digits).
struct Segment {
  std::string name;
  bool is_index = false;

  friend bool operator==(const Segment& a, const Segment& b) = default;
};

// A path from the root of the document, without the collection's name; system members in their canonical spelling.
using Path = std::vector<Segment>;

enum class Comparison : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };
enum class Arithmetic : uint8_t { kAdd, kSubtract, kMultiply, kDivide, kRemainder };
enum class Function : uint8_t {
  // Booleans.
  kIsDefined,
  kIsNull,
  kIsNumber,
  kIsString,
  kIsBool,
  kIsObject,
  kIsArray,
  kIsPrimitive,
  kStartsWith,
  kEndsWith,
  kContains,
  kArrayContains,
  // Texts.
  kLower,
  kUpper,
  kConcat,
  kSubstring,
  // Numbers.
  kLength,
  kIndexOf,
  kAsNumber,
  kAbs,
  kCeiling,
  kFloor,
  kSign,
  kSqrt,
  kSquare,
  kPower,
  kExp,
};

// A node of an expression.
struct Expr {
  enum class Kind : uint8_t {
    kLiteral,  // `literal`: string, number, Boolean or null
    kUndefined,
    kPath,     // `path`
    kList,     // args: elements
    kCompare,  // args: left, right; `comparison`
    kIn,       // args: subject, then the elements; `is_negated` for NIN
    kAnd,
    kOr,          // args: two or more
    kNot,         // args: one
    kSign,        // args: one; unary plus, or minus when `is_negated`
    kArithmetic,  // args: left, right; `arithmetic`
    kCall,        // args: as the function wants; `function`
  };
  Kind kind = Kind::kUndefined;
  Position position;
  json::Value literal;
  Path path;
  Comparison comparison = Comparison::kEqual;
  Arithmetic arithmetic = Arithmetic::kAdd;
  Function function = Function::kIsDefined;
  bool is_negated = false;
  std::vector<Expr> args;
};

// The condition of a job: every device, or those for which `expression` is exactly true.
struct Condition {
  std::optional<Expr> expression;  // Empty = `*`.
};

enum class Aggregate : uint8_t { kNone, kCount, kAvg, kSum, kMin, kMax };

struct SelectItem {
  std::string name;  // Of the member in the row: alias, last path segment, or "$1" for an unnamed aggregate.
  Aggregate aggregate = Aggregate::kNone;
  Path path;  // Empty for COUNT().
  Position position;
};

// A whole query.
struct Query {
  std::vector<SelectItem> items;  // Empty = `*`.
  std::optional<int64_t> top;
  Collection collection = Collection::kDevices;
  std::optional<Expr> where;
  std::vector<Path> group_by;

  bool is_aggregate() const { return !group_by.empty() || (!items.empty() && items[0].aggregate != Aggregate::kNone); }
};

// Reads `SELECT … FROM …`. Errors: INVALID_ARGUMENT with kInvalidQuery.
absl::StatusOr<Query> ParseQuery(std::string_view text, Profile profile = Profile::kLenient,
                                 const Limits& limits = kQueryLimits);

// Reads the condition of a job: `*` or an expression over devices; leniently also `SELECT * FROM devices WHERE …`.
// Errors as ParseQuery, with kInvalidCondition.
absl::StatusOr<Condition> ParseCondition(std::string_view text, Profile profile = Profile::kLenient,
                                         const Limits& limits = kJobConditionLimits);

// Which of `query`'s GROUP BY paths `path` is.
std::optional<size_t> GroupIndex(const Query& query, const Path& path);

// Reads one path over `collection`, as it would stand in a query. Errors as ParseQuery.
absl::StatusOr<Path> ParsePath(std::string_view text, Collection collection = Collection::kDevices);

// True for a member whose strings are times, so that comparisons with ISO 8601 literals compare instants.
bool IsTimePath(const Path& path);

// `text` as UTC with exactly six fractional digits (more are cut), so that comparing two results as strings compares
// the instants. nullopt when it is no time: YYYY-MM-DD, or that with Thh:mm[:ss[.fraction]] and Z, +hh:mm, -hh:mm or
// nothing (UTC), which exists in the calendar and lies in the years 1 to 9999 of UTC.
std::optional<std::string> NormalizeTime(std::string_view text);

// "tags.site[2]", for messages.
std::string PathText(const Path& path);

// An error at `position`, as ParseQuery reports it.
absl::Status ErrorAt(std::string_view reason, Position position, std::string_view message);

}  // namespace fleetcast::query
