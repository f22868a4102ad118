// The rules of twin documents (service-rest.md 9.1-9.5) as pure functions over json::Value. They know neither devices
// nor storage: services/twin applies them to its rows, job_api and device_connection check patches early with them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/json/json.h"

namespace fleetcast::json {

// Reason of every refusal here (INVALID_ARGUMENT). Metadata: "path" of the offending member.
inline constexpr std::string_view kInvalidTwin = "INVALID_TWIN";

inline constexpr size_t kTagsSizeMax = 8 * 1024;
inline constexpr size_t kPropertiesSizeMax = 32 * 1024;  // Of desired and of reported, each.
// Text of a patch or section as it arrives: the sizes above count contents, this one counts white space and escapes.
inline constexpr size_t kTwinTextBytesMax = 256 * 1024;
inline constexpr int kTwinDepthMax = 10;
inline constexpr size_t kTwinKeyBytesMax = 1024;
inline constexpr size_t kTwinValueBytesMax = 4096;

enum class Section : uint8_t { kTags, kDesired, kReported };

// "tags", "properties.desired" or "properties.reported".
std::string_view SectionName(Section section);
size_t SectionSizeMax(Section section);

// Reads a patch or a section: an object, or null for "empty the section" (is_null() of the result). `$metadata` and
// `$version` at the root of desired and reported are dropped. Checks syntax, keys (1 to 1,024 bytes, no control
// characters, '.', '$', '#', space), strings and arrays (4,096 bytes), integer range, depth (10) and that no array
// holds null, all of it while reading and before anything is built. Errors: INVALID_ARGUMENT with INVALID_JSON,
// JSON_TOO_LARGE or INVALID_TWIN.
absl::StatusOr<Value> ParseSection(std::string_view text, Section section);

// As ParseSection for a value that was read as a part of something else. On error `value` is void.
absl::Status CheckSection(Value& value, Section section);

// Size of a section or value: every key and string its UTF-8 length without control characters (C0, C1), numbers 8,
// Booleans 4, null 0; objects and arrays the sum of their parts.
size_t TwinSize(const Value& value);

// Refuses a section that is larger than its limit after a change and was smaller before.
absl::Status CheckSectionSize(Section section, size_t before, size_t after);

// `time` as twins print it: UTC with seven fractional digits, "2026-03-04T05:06:07.1234560Z".
std::string TwinTime(absl::Time time);

// Who changed something, for $metadata. `version` 0 = written without $lastUpdatedVersion (reported, fresh twins).
struct MetadataStamp {
  std::string time;  // From TwinTime.
  int64_t version = 0;
};

// {"$lastUpdated":…}: the metadata of a section that nobody has written yet.
Value FreshMetadata(const MetadataStamp& stamp);

// Brings `metadata` to what belongs to the section after `patch` was merged into it: every object level and key that
// the patch touched carries the stamp, removed keys disappear, arrays are leaves.
void StampMerge(Value& metadata, const Value& patch, const MetadataStamp& stamp);

// The metadata of a section that was replaced by `section` as a whole.
Value StampReplace(const Value& section, const MetadataStamp& stamp);

// What a device is told when a section is replaced: the new members, and null for each key that is gone, at any level,
// so that a device that merges it has what is stored.
Value ReplacementPatch(const Value& before, const Value& after);

}  // namespace fleetcast::json
