// Two or three documents, a line each: a section and patches of it. Merging agrees with a second implementation, twice
// is once, the metadata keeps the shape of the section, and what a device is told of a replacement leads it there.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "libs/base/check.h"
#include "libs/json/json.h"
#include "libs/json/twin_rules.h"

namespace {

namespace json = fleetcast::json;
using json::Value;

constexpr int64_t kDocumentsMax = 3;

// RFC 7396, written once more.
Value Merged(const Value& target, const Value& patch) {
  if (!patch.is_object()) return patch;
  Value merged = Value::MakeObject();
  if (target.is_object()) merged = target;
  for (const json::Member& member : patch.object()) {
    if (member.value.is_null()) {
      merged.Remove(member.key);
    } else {
      const Value* before = merged.Find(member.key);
      merged.Set(member.key, Merged(before != nullptr ? *before : Value(), member.value));
    }
  }
  return merged;
}

// A node for each key at each level, and none else but the stamps.
void CheckShape(const Value& section, const Value& metadata) {
  FLEETCAST_CHECK(metadata.is_object() && metadata.Find("$lastUpdated") != nullptr);
  size_t stamps = 1;
  if (metadata.Find("$lastUpdatedVersion") != nullptr) ++stamps;
  const size_t members = section.is_object() ? section.object().size() : 0;
  FLEETCAST_CHECK(metadata.object().size() == stamps + members);
  for (size_t i = 0; i < members; ++i) {
    const json::Member& member = section.object()[i];
    const Value* node = metadata.Find(member.key);
    FLEETCAST_CHECK(node != nullptr);
    CheckShape(member.value, *node);
  }
}

void CheckPatch(Value& section, Value& metadata, const Value& patch, int64_t version) {
  const Value expected = Merged(section, patch);
  const Value before = section;
  json::MergePatch(section, patch);
  FLEETCAST_CHECK(section == expected);
  Value again = section;
  json::MergePatch(again, patch);
  FLEETCAST_CHECK(again == section);
  json::StampMerge(metadata, patch, {"2026-03-04T05:06:07.1234560Z", version});
  CheckShape(section, metadata);
  Value device = before;
  json::MergePatch(device, json::ReplacementPatch(before, section));
  FLEETCAST_CHECK(device == section);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(bytes), size);
  Value section = Value::MakeObject();
  Value metadata = json::FreshMetadata({"2026-01-01T00:00:00.0000000Z", 0});
  for (int64_t version = 2; version < 2 + kDocumentsMax && !text.empty(); ++version) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const absl::StatusOr<Value> patch = json::ParseSection(line, json::Section::kDesired);
    if (!patch.ok() || patch->is_null()) return 0;
    CheckPatch(section, metadata, *patch, version);
  }
  return 0;
}
