// JSON as this system needs it: documents that keep their number literals and member order, limits that are enforced
// while tokenising, errors with byte position and path. Boost.JSON (its push parser only) stays inside json.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fleetcast::json {

// Reason of every status that Parse and ValidateDocument answer (code INVALID_ARGUMENT). Metadata: "position", the
// offset in bytes at which reading stopped, and "path", for instance "tags.floors[2]" ("" at the root).
inline constexpr std::string_view kInvalidJson = "INVALID_JSON";
// As kInvalidJson, for text longer than Limits::bytes_max.
inline constexpr std::string_view kJsonTooLarge = "JSON_TOO_LARGE";

enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

class Value;
struct Member;
using Array = std::vector<Value>;
// Members in the order in which they were written. Parse leaves no duplicate keys (the last value wins, at the place
// of the first); use Value::Set to keep it so.
using Object = std::vector<Member>;

// One JSON value: 40 bytes plus what it holds. A value type; not thread-safe while being changed. Values that come
// from Parse are at most Limits::depth_max deep, so copying, printing and destroying them recurse no deeper.
class Value {
 public:
  Value();  // null
  ~Value();
  Value(const Value&);
  Value& operator=(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(Value&&) noexcept;
  static Value Bool(bool value);
  static Value Int(int64_t value);
  // `literal` must be a valid JSON number; it is kept as it is.
  static Value NumberLiteral(std::string literal);
  static Value String(std::string_view text);
  static Value MakeArray();
  static Value MakeArray(Array elements);
  static Value MakeObject();
  static Value MakeObject(Object members);

  Kind kind() const { return static_cast<Kind>(storage_.index()); }
  bool is_null() const { return kind() == Kind::kNull; }
  bool is_bool() const { return kind() == Kind::kBool; }
  bool is_number() const { return kind() == Kind::kNumber; }
  bool is_string() const { return kind() == Kind::kString; }
  bool is_array() const { return kind() == Kind::kArray; }
  bool is_object() const { return kind() == Kind::kObject; }

  // Precondition of each: the kind fits.
  bool AsBool() const { return std::get<bool>(storage_); }
  const std::string& AsString() const { return std::get<std::string>(storage_); }
  const std::string& NumberText() const { return std::get<Number>(storage_).literal; }
  double AsDouble() const;
  const Array& array() const { return std::get<Array>(storage_); }
  Array& array() { return std::get<Array>(storage_); }
  const Object& object() const { return std::get<Object>(storage_); }
  Object& object() { return std::get<Object>(storage_); }

  // The integer, when this is a number written without fraction and exponent that fits in 64 bits.
  std::optional<int64_t> AsInt() const;

  // The member `key` of this object; nullptr when there is none or this is no object.
  const Value* Find(std::string_view key) const;
  Value* Find(std::string_view key);
  // The value below `path` (keys of nested objects); nullptr when the path leads nowhere.
  const Value* FindPath(std::initializer_list<std::string_view> path) const;
  // Sets member `key` of this object, at its old place or at the end. Precondition: is_object().
  Value& Set(std::string_view key, Value value);
  // Removes member `key`; false when there was none. Precondition: is_object().
  bool Remove(std::string_view key);

  // Same kind and content; members in any order, numbers by value (1 equals 1.0).
  friend bool operator==(const Value& a, const Value& b);

 private:
  struct Number {
    std::string literal;
  };
  using Storage = std::variant<std::monostate, bool, Number, std::string, Array, Object>;
  explicit Value(Storage storage);

  Storage storage_;
};

struct Member {
  std::string key;
  Value value;
};

// Here, because they need to know what a Member is.
inline Value::Value() = default;
inline Value::~Value() = default;
inline Value::Value(const Value&) = default;
inline Value& Value::operator=(const Value&) = default;
inline Value::Value(Value&&) noexcept = default;
inline Value& Value::operator=(Value&&) noexcept = default;
inline Value::Value(Storage storage) : storage_(std::move(storage)) {}
inline Value Value::MakeArray() { return MakeArray(Array()); }
inline Value Value::MakeObject() { return MakeObject(Object()); }
inline Value Value::Bool(bool value) { return Value(Storage(value)); }
inline Value Value::Int(int64_t value) { return Value(Storage(Number{std::to_string(value)})); }
inline Value Value::NumberLiteral(std::string literal) { return Value(Storage(Number{std::move(literal)})); }
inline Value Value::String(std::string_view text) { return Value(Storage(std::string(text))); }

enum class NumberRule : uint8_t {
  // Anything a double can hold: |x| < 1.8e308, exponent within +-400, at most 400 characters, also when written without
  // exponent, as PostgreSQL prints it.
  kDouble,
  kTwinValue,  // As kDouble, and integers within -2^52 .. 2^52-1 (service-rest.md 9.5).
};

// What a text may contain. NUL characters, lone surrogates, invalid UTF-8, byte order marks, comments and anything
// after the document are always refused.
struct Limits {
  size_t bytes_max = size_t{256} * 1024;
  int depth_max = 32;  // Nested arrays and objects; 1 = a flat one.
  NumberRule numbers = NumberRule::kDouble;
};

// The document in `text`. Errors: INVALID_ARGUMENT with kInvalidJson or kJsonTooLarge.
absl::StatusOr<Value> Parse(std::string_view text, const Limits& limits = {});

// As Parse without building the document: for payloads that pass through as bytes.
absl::Status ValidateDocument(std::string_view text, const Limits& limits = {});

// Compact JSON text of `value`, members in their order, number literals as they were.
std::string Print(const Value& value);
void PrintTo(const Value& value, std::string& out);

// `valid_json` without the white space between its tokens.
std::string Compact(std::string_view valid_json);
void CompactTo(std::string_view valid_json, std::string& out);

// `text` as a JSON string literal with its quotes. Control characters are escaped; other bytes are copied, so `text`
// should be valid UTF-8.
std::string Quote(std::string_view text);
void QuoteTo(std::string_view text, std::string& out);

// True when `text` is well-formed UTF-8 (no surrogates, no overlong forms, nothing above U+10FFFF).
bool IsValidUtf8(std::string_view text);

// The longest prefix of `text` of at most `bytes_max` bytes that does not split a character.
std::string_view ClipUtf8(std::string_view text, size_t bytes_max);

// Compares two JSON number literals by their exact decimal value: negative, 0 or positive.
int CompareNumbers(std::string_view a, std::string_view b);

// RFC 7396: objects merge recursively, null removes, anything else replaces. A patch that is no object replaces the
// target. Nulls inside a new object are dropped as well.
void MergePatch(Value& target, const Value& patch);

}  // namespace fleetcast::json
