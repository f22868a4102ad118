// What a write does to a twin: versions, documents, metadata, and what the device is told. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/json/json.h"

namespace fleetcast::twin {

// A change of the service side's sections, read and checked.
struct TwinEdit {
  // kRestore replaces the sections that are given, unless they are the same already: for imports.
  enum class Kind { kMerge, kReplace, kRestore };
  Kind kind = Kind::kMerge;
  // The patch or the new section; empty = untouched (kMerge) or emptied (kReplace); null = emptied.
  std::optional<json::Value> tags;
  std::optional<json::Value> desired;
  // `desired` as text, when it is a patch that is the same for every device; else empty.
  std::string desired_patch_text;

  // Which sections must be read and written.
  bool touches_tags() const { return kind == Kind::kReplace || tags.has_value(); }
  bool touches_desired() const { return kind == Kind::kReplace || desired.has_value(); }
};

// Reads an edit from JSON text; empty text = absent, "null" = empty the section, an empty object in a merge = nothing.
// Errors: INVALID_ARGUMENT with INVALID_JSON, JSON_TOO_LARGE or INVALID_TWIN.
absl::StatusOr<TwinEdit> ParseMerge(std::string_view tags_patch, std::string_view desired_patch);
absl::StatusOr<TwinEdit> ParseReplacement(std::string_view tags, std::string_view desired);
absl::StatusOr<TwinEdit> ParseRestoration(std::string_view tags, std::string_view desired);

// The part of a twin that edits change. Sections that an edit does not touch may be left null.
struct TwinState {
  int64_t etag = 1;
  int64_t version = 2;
  int64_t desired_version = 1;
  json::Value tags;
  json::Value desired;
  json::Value desired_metadata;
};

// A twin that nobody has written yet (service-rest.md 9.1), created at `now`.
TwinState FreshTwin(absl::Time now);

// What ApplyEdit changed.
struct EditEffect {
  bool is_tags_changed = false;
  bool is_desired_changed = false;
  // The patch that the device is told, without `$version`; when desired changed.
  std::string desired_patch;
};

// Applies `edit` at `now`. On error (INVALID_ARGUMENT, INVALID_TWIN: a limit that only shows after the merge) `state`
// is void.
absl::StatusOr<EditEffect> ApplyEdit(const TwinEdit& edit, absl::Time now, TwinState& state);

// The part of a twin that devices change.
struct ReportedState {
  int64_t version = 2;
  int64_t reported_version = 1;
  json::Value reported;
  json::Value metadata;
};

// Merges a checked patch into reported. Errors as ApplyEdit; `state` is unchanged then.
absl::Status ApplyReported(const json::Value& patch, absl::Time now, ReportedState& state);

// `patch`, the text of an object, with "$version" as its last member: what the device gets.
std::string WithVersion(std::string_view patch, int64_t version);

}  // namespace fleetcast::twin
