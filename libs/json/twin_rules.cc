#include "libs/json/twin_rules.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/json/guarded_parse.h"

namespace fleetcast::json {
namespace {

constexpr std::string_view kLastUpdated = "$lastUpdated";
constexpr std::string_view kLastUpdatedVersion = "$lastUpdatedVersion";

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
  return ParseGuarded(text, limits, section);
}

absl::Status CheckSection(Value& value, Section section) {
  if (section != Section::kTags && value.is_object()) {
    value.Remove("$metadata");
    value.Remove("$version");
  }
  SectionGuard guard(section);
  std::string path;
  const char* fault = guard.Check(value, path);
  return fault == nullptr ? absl::OkStatus() : guard.Refusal(path, fault, std::nullopt);
}

size_t TwinSize(const Value& value) {
  switch (value.kind()) {
    case Kind::kNull: return 0;
    case Kind::kBool: return 4;
    case Kind::kNumber: return 8;
    case Kind::kString: return TwinTextSize(value.AsString());
    case Kind::kArray: {
      size_t size = 0;
      for (const Value& element : value.array()) size += TwinSize(element);
      return size;
    }
    case Kind::kObject: {
      size_t size = 0;
      for (const Member& member : value.object()) size += TwinTextSize(member.key) + TwinSize(member.value);
      return size;
    }
  }
  return 0;
}

absl::Status CheckSectionSize(Section section, size_t before, size_t after) {
  const size_t limit = SectionSizeMax(section);
  if (after <= limit || after <= before) return absl::OkStatus();
  const std::string name(SectionName(section));
  return MakeError(absl::StatusCode::kInvalidArgument, kInvalidTwin,
                   absl::StrCat(name, ": would be ", after, " bytes, the limit is ", limit), {{"path", name}});
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
