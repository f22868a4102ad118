// A twin as the rules compute it from patches: merging once more, apart from the code that is tested.
#pragma once

#include "tests/twins/history.h"

namespace fleetcast::twin_history {

struct State {
  json::Value tags;
  json::Value desired;
  json::Value reported;
  int64_t etag = 0;
  int64_t desired_version = 0;
  int64_t reported_version = 0;
};

State StateOf(const Snapshot& snapshot);

// RFC 7396.
json::Value Merged(const json::Value& target, const json::Value& patch);

// What `operation` makes of `state`.
void Apply(const Operation& operation, State& state);

// Whether the sections and versions that services write are equal; or those that the device writes.
bool SameServiceSide(const State& a, const State& b);
bool SameReported(const State& a, const State& b);

// Whether the twin shows the operation's token under its key, in a section that the operation writes.
bool Shows(const Snapshot& snapshot, const Operation& operation);

}  // namespace fleetcast::twin_history
