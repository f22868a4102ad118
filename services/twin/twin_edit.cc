#include "services/twin/twin_edit.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/json/twin_rules.h"

namespace fleetcast::twin {
namespace {

using json::Section;
using json::Value;

absl::StatusOr<std::optional<Value>> ReadSection(std::string_view text, Section section, TwinEdit::Kind kind) {
  if (text.empty()) return std::nullopt;
  FLEETCAST_ASSIGN_OR_RETURN(Value value, json::ParseSection(text, section));
  const bool is_nothing = kind == TwinEdit::Kind::kMerge && value.is_object() && value.object().empty();
  if (is_nothing) return std::nullopt;
  return value;
}

absl::StatusOr<TwinEdit> Read(TwinEdit::Kind kind, std::string_view tags, std::string_view desired) {
  TwinEdit edit;
  edit.kind = kind;
  FLEETCAST_ASSIGN_OR_RETURN(edit.tags, ReadSection(tags, Section::kTags, kind));
  FLEETCAST_ASSIGN_OR_RETURN(edit.desired, ReadSection(desired, Section::kDesired, kind));
  const bool is_patch = kind == TwinEdit::Kind::kMerge && edit.desired && edit.desired->is_object();
  if (is_patch) edit.desired_patch_text = json::Print(*edit.desired);
  return edit;
}

// The new section, whole: `section` without nulls, or an empty one.
Value WholeSection(const std::optional<Value>& section) {
  Value whole = Value::MakeObject();
  if (section && section->is_object()) json::MergePatch(whole, *section);
  return whole;
}

bool IsReplaced(const TwinEdit& edit, const std::optional<Value>& section) {
  return edit.kind != TwinEdit::Kind::kMerge || (section && section->is_null());
}

// As ==, but a number in another spelling is another one.
bool IsSame(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (a.is_number()) return a.NumberText() == b.NumberText();
  if (a.is_array()) {
    return std::equal(a.array().begin(), a.array().end(), b.array().begin(), b.array().end(), IsSame);
  }
  if (!a.is_object()) return a == b;
  return a.object().size() == b.object().size() &&
         std::all_of(a.object().begin(), a.object().end(), [&b](const json::Member& member) {
           const Value* other = b.Find(member.key);
           return other != nullptr && IsSame(member.value, *other);
         });
}

// Whether `before` already is what a restoration makes of it.
bool IsRestored(const TwinEdit& edit, const Value& before, const Value& after) {
  return edit.kind == TwinEdit::Kind::kRestore && IsSame(before, after);
}

absl::Status EditTags(const TwinEdit& edit, TwinState& state, EditEffect& effect) {
  const size_t before = json::TwinSize(state.tags);
  if (IsReplaced(edit, edit.tags)) {
    Value tags = WholeSection(edit.tags);
    effect.is_tags_changed =
        !IsRestored(edit, state.tags, tags) && (!tags.object().empty() || !state.tags.object().empty());
    state.tags = std::move(tags);
  } else {
    json::MergePatch(state.tags, *edit.tags);
    effect.is_tags_changed = true;
  }
  return json::CheckSectionSize(Section::kTags, before, json::TwinSize(state.tags));
}

absl::Status EditDesired(const TwinEdit& edit, absl::Time now, TwinState& state, EditEffect& effect) {
  const size_t before = json::TwinSize(state.desired);
  const json::MetadataStamp stamp = {json::TwinTime(now), state.desired_version + 1};
  if (IsReplaced(edit, edit.desired)) {
    Value desired = WholeSection(edit.desired);
    effect.is_desired_changed =
        !IsRestored(edit, state.desired, desired) && (!desired.object().empty() || !state.desired.object().empty());
    if (!effect.is_desired_changed) return absl::OkStatus();
    effect.desired_patch = json::Print(json::ReplacementPatch(state.desired, desired));
    state.desired_metadata = json::StampReplace(desired, stamp);
    state.desired = std::move(desired);
  } else {
    json::MergePatch(state.desired, *edit.desired);
    json::StampMerge(state.desired_metadata, *edit.desired, stamp);
    effect.is_desired_changed = true;
    effect.desired_patch = edit.desired_patch_text;
  }
  ++state.desired_version;
  return json::CheckSectionSize(Section::kDesired, before, json::TwinSize(state.desired));
}

}  // namespace

absl::StatusOr<TwinEdit> ParseMerge(std::string_view tags_patch, std::string_view desired_patch) {
  return Read(TwinEdit::Kind::kMerge, tags_patch, desired_patch);
}

absl::StatusOr<TwinEdit> ParseReplacement(std::string_view tags, std::string_view desired) {
  return Read(TwinEdit::Kind::kReplace, tags, desired);
}

absl::StatusOr<TwinEdit> ParseRestoration(std::string_view tags, std::string_view desired) {
  return Read(TwinEdit::Kind::kRestore, tags, desired);
}

TwinState FreshTwin(absl::Time now) {
  TwinState state;
  state.tags = Value::MakeObject();
  state.desired = Value::MakeObject();
  state.desired_metadata = json::FreshMetadata({json::TwinTime(now), 0});
  return state;
}

absl::StatusOr<EditEffect> ApplyEdit(const TwinEdit& edit, absl::Time now, TwinState& state) {
  EditEffect effect;
  if (edit.touches_tags()) FLEETCAST_RETURN_IF_ERROR(EditTags(edit, state, effect));
  if (edit.touches_desired()) FLEETCAST_RETURN_IF_ERROR(EditDesired(edit, now, state, effect));
  if (effect.is_tags_changed || effect.is_desired_changed) {
    ++state.etag;
    ++state.version;
  }
  return effect;
}

absl::Status ApplyReported(const Value& patch, absl::Time now, ReportedState& state) {
  Value reported = state.reported;
  json::MergePatch(reported, patch);
  FLEETCAST_RETURN_IF_ERROR(
      json::CheckSectionSize(Section::kReported, json::TwinSize(state.reported), json::TwinSize(reported)));
  json::StampMerge(state.metadata, patch, {json::TwinTime(now), 0});
  state.reported = std::move(reported);
  ++state.reported_version;
  ++state.version;
  return absl::OkStatus();
}

std::string WithVersion(std::string_view patch, int64_t version) {
  const std::string_view members = patch.substr(0, patch.size() - 1);
  return absl::StrCat(Absl(members), members == "{" ? "" : ",", "\"$version\":", version, "}");
}

}  // namespace fleetcast::twin
