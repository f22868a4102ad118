// Values of the command line.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace google::protobuf {
class Duration;
class Timestamp;
}  // namespace google::protobuf

namespace fleetcast::cli {

// "90s", "5m", "1h30m". INVALID_ARGUMENT names the flag.
absl::StatusOr<absl::Duration> ParseSpan(const std::string& flag, const std::string& text);

// "2026-03-01T12:00:00Z" (RFC 3339) or "+5m" from `now`.
absl::StatusOr<absl::Time> ParseInstant(const std::string& flag, const std::string& text, absl::Time now);

void SetProto(absl::Duration span, google::protobuf::Duration* proto);
void SetProto(absl::Time instant, google::protobuf::Timestamp* proto);

// Names in `request` who is meant by "DEVICE" or "DEVICE/MODULE".
template <typename Request>
void SetName(const std::string& name, Request& request) {
  const size_t slash = name.find('/');
  request.set_device_id(name.substr(0, slash));
  if (slash != std::string::npos) request.set_module_id(name.substr(slash + 1));
}

}  // namespace fleetcast::cli
