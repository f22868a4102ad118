// Twins from a line of an export: versions and $metadata come back as they were. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/json/json.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {

// The sections as they stand in a line; `desired` and `reported` may hold $version and $metadata at their root.
struct GivenTwin {
  std::optional<json::Value> tags;
  std::optional<json::Value> desired;
  std::optional<json::Value> reported;
  std::string etag;  // Of the twin, base64; empty = not given.
};

// What an import makes of them.
struct RestoredTwin {
  TwinState twin;          // Of an identity that is created.
  ReportedState reported;  // Of an identity that is created.
  TwinEdit edit;           // Of a twin that exists: the given tags and desired, where they differ.
};

// Checks the sections as every write does and restores them. $version, $metadata and the etag are kept where they make
// sense; where they do not (other keys than the section, no time, a version below 1) they are made anew, as written at
// `now`. INVALID_ARGUMENT: INVALID_TWIN.
absl::StatusOr<RestoredTwin> RestoreTwin(GivenTwin given, absl::Time now);

// Whether `metadata` is what $metadata of `section` looks like: a node for each key at each level, each with a time
// and, if `has_versions`, maybe a version of 1 to `version`; arrays are leaves.
bool IsMetadataOf(const json::Value& section, const json::Value& metadata, bool has_versions, int64_t version);

}  // namespace fleetcast::twin
