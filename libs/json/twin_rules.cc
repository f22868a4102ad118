#include "libs/json/twin_rules.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"

namespace fleetcast::json {
namespace {

constexpr std::string_view kMetadata = "$metadata";
constexpr std::string_view kVersion = "$version";
constexpr std::string_view kLastUpdated = "$lastUpdated";
constexpr std::string_view kLastUpdatedVersion = "$lastUpdatedVersion";

constexpr size_t kPathInErrorMax = 256;

absl::Status Refusal(std::string_view path, std::string_view what) {
  path = ClipUtf8(path, kPathInErrorMax);
  return MakeError(absl::StatusCode::kInvalidArgument, kInvalidTwin, absl::StrCat(Absl(path), ": ", Absl(what)),
                   {{"path", std::string(path)}});
}

std::string Join(std::string_view path, std::string_view key) { return absl::StrCat(Absl(path), ".", Absl(key)); }

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

size_t TextSize(std::string_view text) {
  size_t size = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t start = i;
    if (!IsControl(text, i)) size += i - start;
  }
  return size;
}

absl::Status CheckKey(std::string_view path, std::string_view key) {
  if (key.empty()) return Refusal(path, "an empty key is not allowed");
  if (key.size() > kTwinKeyBytesMax)
    return Refusal(path, absl::StrCat("a key is longer than ", kTwinKeyBytesMax, " bytes"));
  for (size_t i = 0; i < key.size();) {
    const char c = key[i];
    const bool is_forbidden = c == '.' || c == '$' || c == '#' || c == ' ';
    if (is_forbidden || IsControl(key, i)) {
      return Refusal(Join(path, key), "a key may not contain control characters, '.', '$', '#' or space");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckInteger(std::string_view path, const Value& value) {
  const std::string& text = value.NumberText();
  if (text.find_first_of(".eE") != std::string::npos) return absl::OkStatus();
  const bool fits = CompareNumbers(text, "-4503599627370496") >= 0 && CompareNumbers(text, "4503599627370495") <= 0;
  return fits ? absl::OkStatus() : Refusal(path, "integer is outside -4503599627370496..4503599627370495");
}

// `level` counts the arrays and objects around `value`, the section itself not included.
absl::Status CheckValue(const std::string& path, const Value& value, int level, bool is_in_array) {
  if ((value.is_array() || value.is_object()) && level > kTwinDepthMax) {
    return Refusal(path, absl::StrCat("nested deeper than ", kTwinDepthMax, " levels"));
  }
  switch (value.kind()) {
    case Kind::kBool: return absl::OkStatus();
    case Kind::kNull: return is_in_array ? Refusal(path, "an array may not contain null") : absl::OkStatus();
    case Kind::kNumber: return CheckInteger(path, value);
    case Kind::kString:
      if (value.AsString().size() <= kTwinValueBytesMax) return absl::OkStatus();
      return Refusal(path, absl::StrCat("a string is longer than ", kTwinValueBytesMax, " bytes"));
    case Kind::kArray: {
      size_t index = 0;
      for (const Value& element : value.array()) {
        FLEETCAST_RETURN_IF_ERROR(CheckValue(absl::StrCat(path, "[", index++, "]"), element, level + 1, true));
      }
      if (TwinSize(value) <= kTwinValueBytesMax) return absl::OkStatus();
      return Refusal(path, absl::StrCat("an array is larger than ", kTwinValueBytesMax, " bytes"));
    }
    case Kind::kObject: break;
  }
  for (const Member& member : value.object()) {
    FLEETCAST_RETURN_IF_ERROR(CheckKey(path, member.key));
    FLEETCAST_RETURN_IF_ERROR(CheckValue(Join(path, member.key), member.value, level + 1, is_in_array));
  }
  return absl::OkStatus();
}

void Stamp(Value& node, const MetadataStamp& stamp) {
  node.Set(kLastUpdated, Value::String(stamp.time));
  if (stamp.version > 0) node.Set(kLastUpdatedVersion, Value::Int(stamp.version));
}

}  // namespace

std::string_view SectionName(Section section) {
  switch (section) {
    case Section::kTags: return "tags";
    case Section::kDesired: return "properties.desired";
    case Section::kReported: return "properties.reported";
  }
  return "";
}

size_t SectionSizeMax(Section section) { return section == Section::kTags ? kTagsSizeMax : kPropertiesSizeMax; }

absl::StatusOr<Value> ParseSection(std::string_view text, Section section) {
  Limits limits;
  limits.bytes_max = kTwinTextBytesMax;
  FLEETCAST_ASSIGN_OR_RETURN(Value value, Parse(text, limits));
  FLEETCAST_RETURN_IF_ERROR(CheckSection(value, section));
  return value;
}

absl::Status CheckSection(Value& value, Section section) {
  const std::string name(SectionName(section));
  if (value.is_null()) return absl::OkStatus();
  if (!value.is_object()) return Refusal(name, "must be a JSON object");
  if (section != Section::kTags) {
    value.Remove(kMetadata);
    value.Remove(kVersion);
  }
  return CheckValue(name, value, 0, false);
}

size_t TwinSize(const Value& value) {
  switch (value.kind()) {
    case Kind::kNull: return 0;
    case Kind::kBool: return 4;
    case Kind::kNumber: return 8;
    case Kind::kString: return TextSize(value.AsString());
    case Kind::kArray: {
      size_t size = 0;
      for (const Value& element : value.array()) size += TwinSize(element);
      return size;
    }
    case Kind::kObject: {
      size_t size = 0;
      for (const Member& member : value.object()) size += TextSize(member.key) + TwinSize(member.value);
      return size;
    }
  }
  return 0;
}

absl::Status CheckSectionSize(Section section, size_t before, size_t after) {
  const size_t limit = SectionSizeMax(section);
  if (after <= limit || after <= before) return absl::OkStatus();
  return Refusal(SectionName(section), absl::StrCat("would be ", after, " bytes, the limit is ", limit));
}

std::string TwinTime(absl::Time time) { return absl::FormatTime("%Y-%m-%dT%H:%M:%E6S0Z", time, absl::UTCTimeZone()); }

Value FreshMetadata(const MetadataStamp& stamp) {
  Value node = Value::MakeObject();
  Stamp(node, stamp);
  return node;
}

void StampMerge(Value& metadata, const Value& patch, const MetadataStamp& stamp) {
  if (!patch.is_object()) {  // A scalar or an array took the place of whatever was there.
    metadata = FreshMetadata(stamp);
    return;
  }
  if (!metadata.is_object()) metadata = Value::MakeObject();
  Stamp(metadata, stamp);
  for (const Member& change : patch.object()) {
    if (change.value.is_null()) {
      metadata.Remove(change.key);
    } else if (Value* existing = metadata.Find(change.key)) {
      StampMerge(*existing, change.value, stamp);
    } else {
      StampMerge(metadata.Set(change.key, Value()), change.value, stamp);
    }
  }
}

Value StampReplace(const Value& section, const MetadataStamp& stamp) {
  Value metadata;
  StampMerge(metadata, section, stamp);
  return metadata;
}

Value ReplacementPatch(const Value& before, const Value& after) {
  Value patch = after.is_object() ? after : Value::MakeObject();
  if (!before.is_object()) return patch;
  for (const Member& member : before.object()) {
    Value* kept = patch.Find(member.key);
    if (kept == nullptr) {
      patch.Set(member.key, Value());
    } else if (kept->is_object()) {
      *kept = ReplacementPatch(member.value, *kept);
    }
  }
  return patch;
}

}  // namespace fleetcast::json
