#include "libs/json/section_guard.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/json.h"

namespace fleetcast::json {
namespace {

constexpr char kNoObject[] = "must be a JSON object";
constexpr char kLongKey[] = "a key is longer than 1024 bytes";
constexpr char kLongString[] = "a string is longer than 4096 bytes";
constexpr size_t kNumberSize = 8;
constexpr size_t kBoolSize = 4;
static_assert(kTwinKeyBytesMax == 1024 && kTwinValueBytesMax == 4096 && kTwinDepthMax == 10);  // As the texts say.

// True for C0 and C1 control characters; `i` is moved over the character.
bool IsControl(std::string_view text, size_t& i) {
  const auto byte = static_cast<unsigned char>(text[i++]);
  if (byte < 0x20 || byte == 0x7F) return true;
  if (byte == 0xC2 && i < text.size() && static_cast<unsigned char>(text[i]) < 0xA0) {
    ++i;
    return true;
  }
  return false;
}

const char* KeyFault(std::string_view key) {
  if (key.empty()) return "an empty key is not allowed";
  if (key.size() > kTwinKeyBytesMax) return kLongKey;
  for (size_t i = 0; i < key.size();) {
    const char c = key[i];
    const bool is_forbidden = c == '.' || c == '$' || c == '#' || c == ' ';
    if (is_forbidden || IsControl(key, i)) return "a key may not contain control characters, '.', '$', '#' or space";
  }
  return nullptr;
}

}  // namespace

size_t TwinTextSize(std::string_view text) {
  size_t size = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t start = i;
    if (!IsControl(text, i)) size += i - start;
  }
  return size;
}

const char* SectionGuard::Key(std::string_view key) {
  if (is_skipping_) return nullptr;
  if (section_ != Section::kTags && frames_.size() == 1 && (key == "$metadata" || key == "$version")) {
    is_skipping_ = true;
    return nullptr;
  }
  if (const char* fault = KeyFault(key)) return fault;
  return arrays_ > 0 ? Grow(TwinTextSize(key)) : nullptr;
}

const char* SectionGuard::Open(bool is_object) {
  if (frames_.empty() && !is_object) return kNoObject;
  if (!is_skipping_ && frames_.size() > kTwinDepthMax) return "nested deeper than 10 levels";
  frames_.push_back({is_object, 0});
  if (!is_object) ++arrays_;
  return nullptr;
}

const char* SectionGuard::Close() {
  const Frame closed = frames_.back();
  frames_.pop_back();
  if (!closed.is_object) --arrays_;
  const char* fault = arrays_ > 0 && !is_skipping_ ? Grow(closed.size) : nullptr;
  EndValue();
  return fault;
}

const char* SectionGuard::TextSoFar(bool is_key, size_t bytes) const {
  if (is_skipping_) return nullptr;
  if (is_key) return bytes > kTwinKeyBytesMax ? kLongKey : nullptr;
  return bytes > kTwinValueBytesMax ? kLongString : nullptr;
}

const char* SectionGuard::String(std::string_view text) {
  if (const char* fault = TextSoFar(false, text.size())) return fault;
  return Scalar(arrays_ > 0 ? TwinTextSize(text) : 0);
}

const char* SectionGuard::Number(std::string_view literal) {
  const bool is_integer = literal.find_first_of(".eE") == std::string_view::npos;
  if (!is_skipping_ && is_integer && literal.size() > 15 &&  // Shorter ones fit.
      (CompareNumbers(literal, "-4503599627370496") < 0 || CompareNumbers(literal, "4503599627370495") > 0)) {
    return "integer is outside -4503599627370496..4503599627370495";
  }
  return Scalar(kNumberSize);
}

const char* SectionGuard::Bool() { return Scalar(kBoolSize); }

const char* SectionGuard::Null() {
  if (frames_.empty()) return nullptr;  // "Empty the section."
  if (!is_skipping_ && arrays_ > 0) return "an array may not contain null";
  return Scalar(0);
}

const char* SectionGuard::Check(const Value& value, std::string& path) {
  switch (value.kind()) {
    case Kind::kNull: return Null();
    case Kind::kBool: return Bool();
    case Kind::kNumber: return Number(value.NumberText());
    case Kind::kString: return String(value.AsString());
    case Kind::kArray:
    case Kind::kObject: break;
  }
  if (const char* fault = Open(value.is_object())) return fault;
  const size_t before = path.size();
  const size_t parts = value.is_object() ? value.object().size() : value.array().size();
  for (size_t i = 0; i < parts; ++i) {
    path.resize(before);
    const char* fault = nullptr;
    if (value.is_object()) {
      const Member& member = value.object()[i];
      absl::StrAppend(&path, path.empty() ? "" : ".", member.key);
      fault = Key(member.key);
      if (fault == nullptr) fault = Check(member.value, path);
    } else {
      absl::StrAppend(&path, "[", i, "]");
      fault = Check(value.array()[i], path);
    }
    if (fault != nullptr) return fault;
  }
  path.resize(before);
  return Close();
}

absl::Status SectionGuard::Refusal(std::string_view path, std::string_view fault,
                                   std::optional<size_t> position) const {
  std::string full(SectionName(section_));
  if (!path.empty()) absl::StrAppend(&full, path.starts_with('[') ? "" : ".", Absl(path));
  full = std::string(ClipUtf8(full, kPathInErrorMax));
  std::map<std::string, std::string> metadata = {{"path", full}};
  if (position.has_value()) metadata["position"] = absl::StrCat(*position);
  return MakeError(absl::StatusCode::kInvalidArgument, kInvalidTwin, absl::StrCat(full, ": ", Absl(fault)), metadata);
}

const char* SectionGuard::Scalar(size_t size) {
  if (frames_.empty()) return kNoObject;
  const char* fault = arrays_ > 0 && !is_skipping_ ? Grow(size) : nullptr;
  EndValue();
  return fault;
}

const char* SectionGuard::Grow(size_t size) {
  Frame& frame = frames_.back();
  frame.size += size;
  return frame.size > kTwinValueBytesMax ? "an array is larger than 4096 bytes" : nullptr;
}

void SectionGuard::EndValue() {
  if (frames_.size() == 1) is_skipping_ = false;
}

}  // namespace fleetcast::json
