// Names of system members: which exist in which collection, and how they are spelt. Used by the parser only.
#pragma once

#include "libs/query/query.h"

namespace fleetcast::query {

// Strips the collection's name from the front of `path` and gives system members their canonical spelling; keys below
// tags, desired, reported, configurations and payload stay as they are.
void Canonicalize(Path& path, Collection collection);

// Literals compared with `path` over devices.jobs: older spellings of job types and states become the canonical ones.
void CanonicalizeJobLiteral(const Path& path, json::Value& literal);

}  // namespace fleetcast::query
