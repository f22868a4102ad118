// What everybody who writes and reads a few twins at the same time saw, for the rules (rules.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/json/json.h"

namespace fleetcast::twin_history {

// A whole twin as one answer showed it. Times are monotonic: when the call began and when its answer was there.
struct Snapshot {
  std::string device;
  int64_t etag = 0;
  int64_t version = 0;
  int64_t desired_version = 0;
  int64_t reported_version = 0;
  json::Value tags;
  json::Value desired;
  json::Value reported;
  json::Value desired_metadata;
  absl::Duration begin;
  absl::Duration end;
};

// Reads a twin as GetTwin answers it. INVALID_ARGUMENT when members are missing.
absl::StatusOr<Snapshot> ReadSnapshot(std::string_view document);

enum class Kind : uint8_t {
  kMerge,     // A service patch of tags, desired or both.
  kReplace,   // A service replacement of both.
  kJob,       // The same patch as one slice of a twin job: its answer shows no version.
  kReported,  // A reported patch of the device.
};

enum class Result : uint8_t {
  kOk,       // Certainly committed, once.
  kRefused,  // Certainly not committed.
  kUnknown,  // Committed or not; also after the call has ended.
};

// Every write puts its token under this key as well.
inline constexpr std::string_view kSharedKey = "shared";

// One write of one twin. Every write puts `token`, which is its alone, under `key` (the writer's alone) into each
// section that it touches. Slices of jobs write desired in any case: their answers tell no version, but the feed does.
struct Operation {
  Kind kind = Kind::kMerge;
  std::string device;
  std::string key;
  std::string token;
  std::optional<json::Value> tags;
  std::optional<json::Value> desired;
  std::optional<json::Value> reported;
  int64_t if_etag = 0;  // The etag that the write was bound to; 0 = none.
  int64_t epoch = 0;    // Of the session, kReported only.
  Result result = Result::kUnknown;
  std::string reason;             // kRefused: why.
  std::optional<Snapshot> after;  // kMerge and kReplace, kOk: the twin that the answer showed.
  int64_t reported_version = 0;   // kReported, kOk.
  absl::Duration begin;
  absl::Duration end;
};

// A desired change as the feed told it.
struct FeedChange {
  std::string device;
  int64_t version = 0;
  json::Value patch;  // Without `$version`.
};

struct History {
  std::vector<Snapshot> initial;  // One per device, before the first write.
  std::vector<Operation> operations;
  std::vector<Snapshot> reads;   // In any order; the last state of each device must be among them.
  std::vector<FeedChange> feed;  // In the order in which it was heard; changes may be heard again after a restart.
};

struct Violation {
  std::string rule;  // "T1" and so on: reliability 2.4.
  std::string text;
};

}  // namespace fleetcast::twin_history
