#include "tests/twins/state.h"

namespace fleetcast::twin_history {
namespace {

json::Value WithoutNulls(const json::Value& section) { return Merged(json::Value::MakeObject(), section); }

bool HasToken(const json::Value& section, const Operation& operation) {
  const json::Value* value = section.Find(operation.key);
  if (value != nullptr && value->is_object()) value = value->Find("token");
  return value != nullptr && value->is_string() && value->AsString() == operation.token;
}

}  // namespace

State StateOf(const Snapshot& snapshot) {
  return {snapshot.tags, snapshot.desired,         snapshot.reported,
          snapshot.etag, snapshot.desired_version, snapshot.reported_version};
}

json::Value Merged(const json::Value& target, const json::Value& patch) {
  if (!patch.is_object()) return patch;
  json::Value merged = target.is_object() ? target : json::Value::MakeObject();
  for (const json::Member& member : patch.object()) {
    if (member.value.is_null()) {
      merged.Remove(member.key);
      continue;
    }
    const json::Value* before = merged.Find(member.key);
    merged.Set(member.key, Merged(before == nullptr ? json::Value() : *before, member.value));
  }
  return merged;
}

void Apply(const Operation& operation, State& state) {
  if (operation.kind == Kind::kReported) {
    state.reported = Merged(state.reported, *operation.reported);
    ++state.reported_version;
    return;
  }
  const bool is_replaced = operation.kind == Kind::kReplace;
  if (is_replaced) {
    state.tags = WithoutNulls(operation.tags.value_or(json::Value::MakeObject()));
    state.desired = WithoutNulls(operation.desired.value_or(json::Value::MakeObject()));
  } else {
    if (operation.tags.has_value()) state.tags = Merged(state.tags, *operation.tags);
    if (operation.desired.has_value()) state.desired = Merged(state.desired, *operation.desired);
  }
  if (is_replaced || operation.desired.has_value()) ++state.desired_version;
  ++state.etag;
}

bool SameServiceSide(const State& a, const State& b) {
  return a.etag == b.etag && a.desired_version == b.desired_version && a.tags == b.tags && a.desired == b.desired;
}

bool SameReported(const State& a, const State& b) {
  return a.reported_version == b.reported_version && a.reported == b.reported;
}

bool Shows(const Snapshot& snapshot, const Operation& operation) {
  if (operation.kind == Kind::kReported) return HasToken(snapshot.reported, operation);
  return HasToken(snapshot.tags, operation) || HasToken(snapshot.desired, operation);
}

}  // namespace fleetcast::twin_history
