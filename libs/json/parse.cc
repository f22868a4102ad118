// Parse and ValidateDocument: Boost.JSON's push parser with a handler that checks limits, keeps the path and, when
// asked, builds the tree. The only file of the system that includes Boost.JSON.
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"

namespace fleetcast::json {
namespace {

constexpr size_t kNumberCharactersMax = 400;
constexpr int64_t kExponentMax = 400;
constexpr int64_t kTwinIntegerMin = -4503599627370496;
constexpr int64_t kTwinIntegerMax = 4503599627370495;
constexpr size_t kPathInErrorMax = 256;

// Why `literal`, a well-formed JSON number, is refused; nullptr when it is fine.
const char* NumberFault(std::string_view literal, NumberRule rule) {
  if (literal.size() > kNumberCharactersMax) return "number is too long";
  const size_t power = literal.find_first_of("eE");
  if (power != std::string_view::npos) {
    std::string_view digits = literal.substr(power + 1);
    if (digits.starts_with('+') || digits.starts_with('-')) digits.remove_prefix(1);
    int64_t exponent = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    if (error != std::errc() || exponent > kExponentMax) return "number is outside the range of a double";
  }
  double number = 0;
  const auto [end, error] = std::from_chars(literal.data(), literal.data() + literal.size(), number);
  if (error != std::errc()) return "number is outside the range of a double";
  const bool is_integer = literal.find_first_of(".eE") == std::string_view::npos;
  if (rule == NumberRule::kTwinValue && is_integer) {
    int64_t integer = 0;
    const auto [stop, fault] = std::from_chars(literal.data(), literal.data() + literal.size(), integer);
    if (fault != std::errc() || integer < kTwinIntegerMin || integer > kTwinIntegerMax) {
      return "integer is outside -4503599627370496..4503599627370495";
    }
  }
  return nullptr;
}

// Keeps the last value of each key, at the place of the first.
void RemoveDuplicates(Object& members) {
  absl::flat_hash_map<std::string, size_t> first;
  size_t kept = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    const auto [found, is_new] = first.emplace(members[i].key, kept);
    Member& place = members[is_new ? kept++ : found->second];
    if (&place != &members[i]) place = std::move(members[i]);
  }
  members.resize(kept);
}

// An array or object that is being read.
struct Frame {
  bool is_object = false;
  std::string key;   // Of the member being read.
  size_t index = 0;  // Of the element being read.
  Value value;       // Filled only when building.
};

class Handler {
 public:
  using error_code = boost::system::error_code;
  using string_view = boost::json::string_view;
  static constexpr size_t max_array_size = static_cast<size_t>(-1);
  static constexpr size_t max_object_size = static_cast<size_t>(-1);
  static constexpr size_t max_string_size = static_cast<size_t>(-1);
  static constexpr size_t max_key_size = static_cast<size_t>(-1);

  Handler(NumberRule numbers, bool is_building) : numbers_(numbers), is_building_(is_building) {}

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return Open(true); }
  bool on_object_end(size_t, error_code&) {
    if (is_building_) {
      Object& members = frames_.back().value.object();
      if (HasDuplicates(members)) RemoveDuplicates(members);
    }
    return Close();
  }
  bool on_array_begin(error_code&) { return Open(false); }
  bool on_array_end(size_t, error_code&) { return Close(); }
  bool on_key_part(string_view part, size_t, error_code&) { return Append(part); }
  bool on_key(string_view part, size_t, error_code& error) {
    Append(part);
    frames_.back().key = std::move(text_);
    text_.clear();
    return HasNoNul(frames_.back().key, error);
  }
  bool on_string_part(string_view part, size_t, error_code&) { return Append(part); }
  bool on_string(string_view part, size_t, error_code& error) {
    Append(part);
    if (!HasNoNul(text_, error)) return false;
    Add(is_building_ ? Value::String(text_) : Value());
    text_.clear();
    return true;
  }
  bool on_number_part(string_view part, error_code&) { return Append(part); }
  bool on_int64(int64_t, string_view part, error_code& error) { return AddNumber(part, error); }
  bool on_uint64(uint64_t, string_view part, error_code& error) { return AddNumber(part, error); }
  bool on_double(double, string_view part, error_code& error) { return AddNumber(part, error); }
  bool on_bool(bool value, error_code&) { return Add(Value::Bool(value)); }
  bool on_null(error_code&) { return Add(Value()); }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

  Value TakeResult() { return std::move(result_); }

  // What the handler itself found wrong; empty when the parser did.
  std::string_view fault() const { return fault_; }

  // Where reading stopped, as "tags.floors[2]".
  std::string Path() const {
    std::string path;
    for (const Frame& frame : frames_) {
      if (!frame.is_object) {
        absl::StrAppend(&path, "[", frame.index, "]");
      } else if (!frame.key.empty()) {
        absl::StrAppend(&path, path.empty() ? "" : ".", frame.key);
      }
    }
    return std::string(ClipUtf8(path, kPathInErrorMax));
  }

 private:
  bool Append(string_view part) {
    text_.append(part.data(), part.size());
    return true;
  }

  bool Fail(const char* fault, error_code& error) {
    fault_ = fault;
    error = boost::json::error::syntax;
    return false;
  }

  bool HasNoNul(const std::string& text, error_code& error) {
    return text.find('\0') == std::string::npos || Fail("the character U+0000 is not allowed", error);
  }

  bool AddNumber(string_view part, error_code& error) {
    Append(part);
    if (const char* fault = NumberFault(text_, numbers_)) return Fail(fault, error);
    Add(is_building_ ? Value::NumberLiteral(text_) : Value());
    text_.clear();
    return true;
  }

  bool Open(bool is_object) {
    frames_.push_back({is_object, {}, 0, is_object ? Value::MakeObject() : Value::MakeArray()});
    return true;
  }

  bool Close() {
    Value value = std::move(frames_.back().value);
    frames_.pop_back();
    return Add(std::move(value));
  }

  bool Add(Value value) {
    if (frames_.empty()) {
      result_ = std::move(value);
      return true;
    }
    Frame& frame = frames_.back();
    ++frame.index;
    if (is_building_ && frame.is_object) {
      frame.value.object().push_back({std::move(frame.key), std::move(value)});
    } else if (is_building_) {
      frame.value.array().push_back(std::move(value));
    }
    frame.key.clear();
    return true;
  }

  // Quick for the usual small object; a large one goes to RemoveDuplicates' index at once.
  static bool HasDuplicates(const Object& members) {
    constexpr size_t kLinearMembersMax = 16;
    if (members.size() > kLinearMembersMax) return true;
    for (size_t i = 1; i < members.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        if (members[i].key == members[k].key) return true;
      }
    }
    return false;
  }

  const NumberRule numbers_;
  const bool is_building_;
  std::vector<Frame> frames_;
  std::string text_;  // Of the key, string or number being read.
  Value result_;
  std::string_view fault_;
};

absl::Status Refusal(std::string_view reason, std::string_view what, size_t position, std::string path) {
  const std::string where = path.empty() ? "" : absl::StrCat(" (at ", path, ")");
  return MakeError(absl::StatusCode::kInvalidArgument, reason,
                   absl::StrCat("invalid JSON at byte ", position, ": ", Absl(what), where),
                   {{"position", absl::StrCat(position)}, {"path", std::move(path)}});
}

std::string Explain(const boost::system::error_code& code, int depth_max) {
  using boost::json::error;
  if (code == error::too_deep) return absl::StrCat("nested deeper than ", depth_max, " levels");
  if (code == error::incomplete) return "the text ends too early";
  if (code == error::extra_data) return "something follows the document";
  return code.message();
}

absl::StatusOr<Value> Read(std::string_view text, const Limits& limits, bool is_building) {
  if (text.size() > limits.bytes_max) {
    return Refusal(kJsonTooLarge, absl::StrCat("longer than ", limits.bytes_max, " bytes"), limits.bytes_max, "");
  }
  boost::json::parse_options options;
  options.max_depth = static_cast<size_t>(limits.depth_max);
  options.numbers = boost::json::number_precision::none;
  boost::json::basic_parser<Handler> parser(options, limits.numbers, is_building);
  boost::system::error_code error;
  const size_t position = parser.write_some(false, text.data(), text.size(), error);
  if (!error && position < text.size()) error = boost::json::error::extra_data;
  if (error) {
    Handler& handler = parser.handler();
    const std::string what = handler.fault().empty() ? Explain(error, limits.depth_max) : std::string(handler.fault());
    return Refusal(kInvalidJson, what, position, handler.Path());
  }
  return parser.handler().TakeResult();
}

}  // namespace

absl::StatusOr<Value> Parse(std::string_view text, const Limits& limits) { return Read(text, limits, true); }

absl::Status ValidateDocument(std::string_view text, const Limits& limits) {
  return Read(text, limits, false).status();
}

}  // namespace fleetcast::json
