// A merge patch as one SQL statement over rows of twin.twin: the documents never leave the database. Pure.
//
// It does what ApplyEdit does (twin_edit.h); merge_property_test.cc holds the two together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/model/etag.h"
#include "libs/postgres/statement.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {

// Most objects of one section's patch, the section itself included; a patch with more is merged in C++.
inline constexpr int kMergeObjectsMax = 16;

// What is the same for all rows of one statement.
struct MergeTerms {
  absl::Time now;             // Goes into the metadata.
  int64_t usual_version = 0;  // The desired version that most rows have: only speed depends on it.
};

// A statement of one row: `changed` (how many twins were written), `device_ids` (which; NULL when all of them) and
// `version` (the highest desired version written; NULL when none). Twins that it leaves alone do not exist, do not
// match the condition, or might outgrow a limit.
struct MergeSql {
  std::string text;  // Depends on the shape of the patch only: where objects and nulls are, not on keys and values.
  postgres::Params params;
};

// The statement that applies `edit` to `device_ids` (ascending, unique) and tells the outbox. nullopt when there is
// none for this edit: it replaces or empties a section, changes nothing, or has too many objects.
std::optional<MergeSql> CompileMerge(const TwinEdit& edit, const std::vector<std::string>& device_ids,
                                     const EtagCondition& condition, const MergeTerms& terms);

}  // namespace fleetcast::twin
