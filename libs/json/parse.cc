// Parse and ValidateDocument: Boost.JSON's push parser with a handler that checks limits, keeps the path and, when
// asked, builds the tree. The only file of the system that includes Boost.JSON.
#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/guarded_parse.h"
#include "libs/json/json.h"

namespace fleetcast::json {
namespace {

constexpr size_t kNumberCharactersMax = 400;
constexpr int64_t kExponentMax = 400;
constexpr int64_t kTwinIntegerMin = -4503599627370496;
constexpr int64_t kTwinIntegerMax = 4503599627370495;

// How long `literal` is at most when it is written without exponent, as PostgreSQL prints it. `exponent` is its own.
size_t PlainLength(std::string_view literal, int64_t exponent) {
  const size_t sign = literal.starts_with('-') ? 1 : 0;
  const std::string_view digits = literal.substr(sign, literal.find_first_of("eE") - sign);
  const size_t dot = digits.find('.');
  const auto whole = static_cast<int64_t>(std::min(dot, digits.size()));
  const int64_t fraction = dot == std::string_view::npos ? 0 : static_cast<int64_t>(digits.size()) - whole - 1;
  const int64_t plain_fraction = std::max<int64_t>(fraction - exponent, 0);
  return sign +
         static_cast<size_t>(std::max<int64_t>(whole + exponent, 1) + plain_fraction + (plain_fraction > 0 ? 1 : 0));
}

// Why `literal`, a well-formed JSON number, is refused; nullptr when it is fine.
const char* NumberFault(std::string_view literal, NumberRule rule) {
  if (literal.size() > kNumberCharactersMax) return "number is too long";
  const size_t power = literal.find_first_of("eE");
  int64_t exponent = 0;
  if (power != std::string_view::npos) {
    std::string_view digits = literal.substr(power + 1);
    if (digits.starts_with('+') || digits.starts_with('-')) digits.remove_prefix(1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    if (error != std::errc() || exponent > kExponentMax) return "number is outside the range of a double";
    if (literal[power + 1] == '-') exponent = -exponent;
  }
  double number = 0;
  const auto [end, error] = std::from_chars(literal.data(), literal.data() + literal.size(), number);
  if (error != std::errc()) return "number is outside the range of a double";
  // The database prints numbers in full, and what it prints must be readable.
  if (PlainLength(literal, exponent) > kNumberCharactersMax) return "number is too long";
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

  // `guard`: null, or what each token passes.
  Handler(NumberRule numbers, bool is_building, SectionGuard* guard)
      : numbers_(numbers), is_building_(is_building), guard_(guard) {}

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code& error) { return Open(true, error); }
  bool on_object_end(size_t, error_code& error) {
    if (is_building_) {
      Object& members = frames_.back().value.object();
      if (HasDuplicates(members)) RemoveDuplicates(members);
    }
    return Close(error);
  }
  bool on_array_begin(error_code& error) { return Open(false, error); }
  bool on_array_end(size_t, error_code& error) { return Close(error); }
  bool on_key_part(string_view part, size_t size, error_code& error) { return AppendText(true, part, size, error); }
  bool on_key(string_view part, size_t, error_code& error) {
    Append(part);
    frames_.back().key = std::move(text_);
    text_.clear();
    const std::string& key = frames_.back().key;
    return HasNoNul(key, error) && Passes([&key](SectionGuard& guard) { return guard.Key(key); }, error);
  }
  bool on_string_part(string_view part, size_t size, error_code& error) { return AppendText(false, part, size, error); }
  bool on_string(string_view part, size_t, error_code& error) {
    Append(part);
    const bool is_kept = is_keeping();
    if (!HasNoNul(text_, error)) return false;
    if (!Passes([this](SectionGuard& guard) { return guard.String(text_); }, error)) return false;
    Add(is_kept ? Value::String(text_) : Value(), is_kept);
    text_.clear();
    return true;
  }
  bool on_number_part(string_view part, error_code&) { return Append(part); }
  bool on_int64(int64_t, string_view part, error_code& error) { return AddNumber(part, error); }
  bool on_uint64(uint64_t, string_view part, error_code& error) { return AddNumber(part, error); }
  bool on_double(double, string_view part, error_code& error) { return AddNumber(part, error); }
  bool on_bool(bool value, error_code& error) {
    const bool is_kept = is_keeping();
    return Passes([](SectionGuard& guard) { return guard.Bool(); }, error) && Add(Value::Bool(value), is_kept);
  }
  bool on_null(error_code& error) {
    const bool is_kept = is_keeping();
    return Passes([](SectionGuard& guard) { return guard.Null(); }, error) && Add(Value(), is_kept);
  }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

  Value TakeResult() { return std::move(result_); }

  // What the handler itself found wrong; empty when the parser did.
  std::string_view fault() const { return fault_; }
  // Whether that was the guard.
  bool is_guard_fault() const { return is_guard_fault_; }

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

  bool AppendText(bool is_key, string_view part, size_t size, error_code& error) {
    return Passes([is_key, size](SectionGuard& guard) { return guard.TextSoFar(is_key, size); }, error) && Append(part);
  }

  // Shows the guard a token.
  template <typename Ask>
  bool Passes(const Ask& ask, error_code& error) {
    const char* fault = guard_ == nullptr ? nullptr : ask(*guard_);
    if (fault == nullptr) return true;
    is_guard_fault_ = true;
    return Fail(fault, error);
  }

  // Whether the next value goes into the result.
  bool is_keeping() const { return is_building_ && (guard_ == nullptr || !guard_->is_skipping()); }

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
    const bool is_kept = is_keeping();
    if (!Passes([this](SectionGuard& guard) { return guard.Number(text_); }, error)) return false;
    Add(is_kept ? Value::NumberLiteral(text_) : Value(), is_kept);
    text_.clear();
    return true;
  }

  bool Open(bool is_object, error_code& error) {
    if (!Passes([is_object](SectionGuard& guard) { return guard.Open(is_object); }, error)) return false;
    frames_.push_back({is_object, {}, 0, is_object ? Value::MakeObject() : Value::MakeArray()});
    return true;
  }

  bool Close(error_code& error) {
    const bool is_kept = is_keeping();
    if (!Passes([](SectionGuard& guard) { return guard.Close(); }, error)) return false;
    Value value = std::move(frames_.back().value);
    frames_.pop_back();
    return Add(std::move(value), is_kept);
  }

  bool Add(Value value, bool is_kept) {
    if (frames_.empty()) {
      result_ = std::move(value);
      return true;
    }
    Frame& frame = frames_.back();
    ++frame.index;
    if (is_kept && frame.is_object) {
      frame.value.object().push_back({std::move(frame.key), std::move(value)});
    } else if (is_kept) {
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
  SectionGuard* const guard_;
  std::vector<Frame> frames_;
  std::string text_;  // Of the key, string or number being read.
  Value result_;
  std::string_view fault_;
  bool is_guard_fault_ = false;
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

absl::StatusOr<Value> Read(std::string_view text, const Limits& limits, bool is_building,
                           std::optional<Section> section = std::nullopt) {
  if (text.size() > limits.bytes_max) {
    return Refusal(kJsonTooLarge, absl::StrCat("longer than ", limits.bytes_max, " bytes"), limits.bytes_max, "");
  }
  boost::json::parse_options options;
  options.max_depth = static_cast<size_t>(limits.depth_max);
  options.numbers = boost::json::number_precision::none;
  SectionGuard guard(section.value_or(Section::kTags));
  boost::json::basic_parser<Handler> parser(options, limits.numbers, is_building,
                                            section.has_value() ? &guard : nullptr);
  boost::system::error_code error;
  const size_t position = parser.write_some(false, text.data(), text.size(), error);
  if (!error && position < text.size()) error = boost::json::error::extra_data;
  Handler& handler = parser.handler();
  if (!error) return handler.TakeResult();
  if (handler.is_guard_fault()) return guard.Refusal(handler.Path(), handler.fault(), position);
  const std::string what = handler.fault().empty() ? Explain(error, limits.depth_max) : std::string(handler.fault());
  return Refusal(kInvalidJson, what, position, handler.Path());
}

}  // namespace

absl::StatusOr<Value> Parse(std::string_view text, const Limits& limits) { return Read(text, limits, true); }

absl::StatusOr<Value> ParseGuarded(std::string_view text, const Limits& limits, Section section) {
  return Read(text, limits, true, section);
}

absl::Status ValidateDocument(std::string_view text, const Limits& limits) {
  return Read(text, limits, false).status();
}

}  // namespace fleetcast::json
