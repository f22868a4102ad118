#include "tests/twins/history.h"

#include "libs/auth/base64.h"
#include "libs/base/status_macros.h"

namespace fleetcast::twin_history {
namespace {

int64_t EtagCounter(std::string_view etag) {
  const std::optional<std::string> bytes = auth::Base64Decode(etag);
  int64_t counter = 0;
  for (const char byte : bytes.value_or("")) counter = counter * 256 + static_cast<unsigned char>(byte);
  return counter;
}

int64_t Number(const json::Value* value) { return value == nullptr ? 0 : value->AsInt().value_or(0); }

// Takes `$metadata` and `$version` out of a section.
json::Value Split(const json::Value& section, json::Value& metadata, int64_t& version) {
  json::Value rest = section;
  if (const json::Value* found = rest.Find("$metadata")) metadata = *found;
  version = Number(rest.Find("$version"));
  rest.Remove("$metadata");
  rest.Remove("$version");
  return rest;
}

}  // namespace

absl::StatusOr<Snapshot> ReadSnapshot(std::string_view document) {
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value twin, json::Parse(document, {.bytes_max = size_t{1} << 20}));
  const json::Value* id = twin.Find("deviceId");
  const json::Value* etag = twin.Find("etag");
  const json::Value* desired = twin.FindPath({"properties", "desired"});
  const json::Value* reported = twin.FindPath({"properties", "reported"});
  if (id == nullptr || etag == nullptr || desired == nullptr || reported == nullptr) {
    return absl::InvalidArgumentError("no twin: " + std::string(document));
  }
  Snapshot snapshot;
  snapshot.device = id->AsString();
  snapshot.etag = EtagCounter(etag->AsString());
  snapshot.version = Number(twin.Find("version"));
  const json::Value* tags = twin.Find("tags");
  snapshot.tags = tags == nullptr ? json::Value::MakeObject() : *tags;
  snapshot.desired = Split(*desired, snapshot.desired_metadata, snapshot.desired_version);
  json::Value ignored;
  snapshot.reported = Split(*reported, ignored, snapshot.reported_version);
  return snapshot;
}

}  // namespace fleetcast::twin_history
