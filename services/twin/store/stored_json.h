// JSON that PostgreSQL printed from our own text. Internal to this folder.
#pragma once

#include <string_view>
#include <utility>

#include "libs/base/check.h"
#include "libs/json/json.h"

namespace fleetcast::twin {

// Reads a document, a section or its metadata back. Never fails: it was checked before it was stored.
inline json::Value ReadStoredJson(std::string_view text) {
  absl::StatusOr<json::Value> value = json::Parse(text, {.bytes_max = size_t{64} << 20, .depth_max = 64});
  FLEETCAST_CHECK(value.ok());
  return *std::move(value);
}

}  // namespace fleetcast::twin
