#include "services/twin/twin_restore.h"

#include <utility>

#include "libs/auth/base64.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/twin_rules.h"

namespace fleetcast::twin {
namespace {

using json::Section;
using json::Value;

constexpr std::string_view kLastUpdated = "$lastUpdated";
constexpr std::string_view kLastUpdatedVersion = "$lastUpdatedVersion";

// One section with what was said about it.
struct GivenSection {
  Value document = Value::MakeObject();  // Without nulls.
  std::optional<int64_t> version;
  std::optional<Value> metadata;
};

// A time as twins print it, whatever precision it was written with.
bool IsTime(const Value& value) {
  absl::Time time;
  std::string error;
  return value.is_string() && absl::ParseTime(absl::RFC3339_full, value.AsString(), &time, &error);
}

bool IsStamp(const Value& node, bool has_versions, int64_t version) {
  const Value* time = node.Find(kLastUpdated);
  if (time == nullptr || !IsTime(*time)) return false;
  const Value* written = node.Find(kLastUpdatedVersion);
  if (written == nullptr) return true;
  const std::optional<int64_t> number = written->AsInt();
  return has_versions && number.has_value() && *number >= 1 && *number <= version;
}

std::optional<int64_t> VersionOf(const Value& section) {
  const Value* version = section.Find("$version");
  const std::optional<int64_t> number = version == nullptr ? std::nullopt : version->AsInt();
  return number.has_value() && *number >= 1 && *number < (int64_t{1} << 52) ? number : std::nullopt;
}

absl::StatusOr<GivenSection> ReadSection(std::optional<Value> given, Section section) {
  GivenSection read;
  if (!given.has_value() || given->is_null()) return read;
  if (section != Section::kTags && given->is_object()) {  // CheckSection drops them.
    read.version = VersionOf(*given);
    if (Value* metadata = given->Find("$metadata"); metadata != nullptr) read.metadata = std::move(*metadata);
  }
  FLEETCAST_RETURN_IF_ERROR(json::CheckSection(*given, section));
  json::MergePatch(read.document, *given);
  FLEETCAST_RETURN_IF_ERROR(json::CheckSectionSize(section, 0, json::TwinSize(read.document)));
  return read;
}

// The etag's counter; nothing when it is not of our form.
std::optional<int64_t> EtagCounter(const std::string& etag) {
  const std::optional<std::string> bytes = auth::Base64Decode(etag);
  if (!bytes.has_value() || bytes->size() != 8) return std::nullopt;
  uint64_t counter = 0;
  for (const char byte : *bytes) counter = counter << 8 | static_cast<unsigned char>(byte);
  return counter >= 1 && counter < (uint64_t{1} << 52) ? std::optional(static_cast<int64_t>(counter)) : std::nullopt;
}

// The metadata that was given, if it fits, else that of a section written now.
Value MetadataOf(GivenSection& section, bool has_versions, int64_t version, absl::Time now) {
  if (section.metadata.has_value() && IsMetadataOf(section.document, *section.metadata, has_versions, version)) {
    return *std::move(section.metadata);
  }
  if (section.document.object().empty()) return json::FreshMetadata({json::TwinTime(now), 0});
  return json::StampReplace(section.document, {json::TwinTime(now), has_versions ? version : 0});
}

}  // namespace

bool IsMetadataOf(const Value& section, const Value& metadata, bool has_versions, int64_t version) {
  if (!metadata.is_object() || !IsStamp(metadata, has_versions, version)) return false;
  const size_t stamps = metadata.Find(kLastUpdatedVersion) != nullptr ? 2 : 1;
  if (!section.is_object()) return metadata.object().size() == stamps;
  if (metadata.object().size() != stamps + section.object().size()) return false;
  for (const json::Member& member : section.object()) {
    const Value* node = metadata.Find(member.key);
    if (node == nullptr || !IsMetadataOf(member.value, *node, has_versions, version)) return false;
  }
  return true;
}

absl::StatusOr<RestoredTwin> RestoreTwin(GivenTwin given, absl::Time now) {
  RestoredTwin restored;
  const bool has_tags = given.tags.has_value();
  const bool has_desired = given.desired.has_value();
  FLEETCAST_ASSIGN_OR_RETURN(GivenSection tags, ReadSection(std::move(given.tags), Section::kTags));
  FLEETCAST_ASSIGN_OR_RETURN(GivenSection desired, ReadSection(std::move(given.desired), Section::kDesired));
  FLEETCAST_ASSIGN_OR_RETURN(GivenSection reported, ReadSection(std::move(given.reported), Section::kReported));

  TwinState& twin = restored.twin;
  const bool is_written = !tags.document.object().empty() || !desired.document.object().empty();
  twin.desired_version = desired.version.value_or(desired.document.object().empty() ? 1 : 2);
  twin.etag = EtagCounter(given.etag).value_or(is_written ? 2 : 1);
  restored.reported.reported_version = reported.version.value_or(reported.document.object().empty() ? 1 : 2);
  // As if each write that the counters tell of had been made here (service-rest.md 9.4).
  twin.version = twin.etag + restored.reported.reported_version;
  twin.desired_metadata = MetadataOf(desired, true, twin.desired_version, now);
  restored.reported.metadata = MetadataOf(reported, false, 0, now);
  restored.reported.reported = std::move(reported.document);

  restored.edit.kind = TwinEdit::Kind::kRestore;
  if (has_tags) restored.edit.tags = tags.document;
  if (has_desired) restored.edit.desired = desired.document;
  twin.tags = std::move(tags.document);
  twin.desired = std::move(desired.document);
  return restored;
}

}  // namespace fleetcast::twin
