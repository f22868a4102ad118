// Any text as a document and as the section of a twin: it is refused with a position inside the text, or it is what the
// rules allow, prints as what reads back the same, and is judged alike whether it is read as a section or checked as a
// tree.
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/json/json.h"
#include "libs/json/twin_rules.h"

namespace {

namespace json = fleetcast::json;
using json::Value;

void CheckRefusal(const absl::Status& status, std::string_view text) {
  const fleetcast::ErrorDetail detail = fleetcast::GetErrorDetail(status);
  FLEETCAST_CHECK(detail.reason == json::kInvalidJson || detail.reason == json::kJsonTooLarge ||
                  detail.reason == json::kInvalidTwin);
  const std::string& position = detail.metadata.at("position");
  size_t at = 0;
  std::from_chars(position.data(), position.data() + position.size(), at);
  FLEETCAST_CHECK(at <= text.size());
}

// `depth` arrays and objects are around the value.
void CheckAllowed(const Value& value, int depth, bool is_in_array) {
  switch (value.kind()) {
    case json::Kind::kBool: return;
    case json::Kind::kNull: FLEETCAST_CHECK(!is_in_array); return;
    case json::Kind::kNumber:
      if (const std::optional<int64_t> integer = value.AsInt()) {
        FLEETCAST_CHECK(*integer >= -4503599627370496 && *integer <= 4503599627370495);
      }
      return;
    case json::Kind::kString:
      FLEETCAST_CHECK(value.AsString().size() <= json::kTwinValueBytesMax);
      FLEETCAST_CHECK(value.AsString().find('\0') == std::string::npos && json::IsValidUtf8(value.AsString()));
      return;
    case json::Kind::kArray:
      FLEETCAST_CHECK(json::TwinSize(value) <= json::kTwinValueBytesMax && depth <= json::kTwinDepthMax);
      for (const Value& element : value.array()) CheckAllowed(element, depth + 1, true);
      return;
    case json::Kind::kObject: break;
  }
  FLEETCAST_CHECK(depth <= json::kTwinDepthMax);
  for (const json::Member& member : value.object()) {
    FLEETCAST_CHECK(!member.key.empty() && member.key.size() <= json::kTwinKeyBytesMax);
    FLEETCAST_CHECK(member.key.find_first_of(std::string_view(".$# \0", 5)) == std::string::npos);
    CheckAllowed(member.value, depth + 1, is_in_array);
  }
}

void CheckSection(std::string_view text, json::Section section) {
  const absl::StatusOr<Value> read = json::ParseSection(text, section);
  absl::StatusOr<Value> tree = json::Parse(text);
  if (!read.ok()) {
    CheckRefusal(read.status(), text);
  } else {
    FLEETCAST_CHECK(tree.ok() && (read->is_null() || read->is_object()));
    if (read->is_object()) CheckAllowed(*read, 0, false);
  }
  if (!tree.ok()) return;
  const absl::Status checked = json::CheckSection(*tree, section);
  // Of a key that is there twice only the last is left in the tree.
  FLEETCAST_CHECK(checked.ok() || !read.ok());
  if (read.ok()) FLEETCAST_CHECK(json::Print(*tree) == json::Print(*read));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const absl::StatusOr<Value> value = json::Parse(text);
  FLEETCAST_CHECK(json::ValidateDocument(text).ok() == value.ok());
  if (value.ok()) {
    const std::string printed = json::Print(*value);
    const absl::StatusOr<Value> again = json::Parse(printed);
    FLEETCAST_CHECK(again.ok() && *again == *value && json::Print(*again) == printed);
    const absl::StatusOr<Value> compact = json::Parse(json::Compact(text));
    FLEETCAST_CHECK(compact.ok() && *compact == *value);
  } else {
    CheckRefusal(value.status(), text);
  }
  for (const json::Section section : {json::Section::kTags, json::Section::kDesired}) CheckSection(text, section);
  return 0;
}
