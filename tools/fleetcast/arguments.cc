#include "tools/fleetcast/arguments.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace fleetcast::cli {

absl::StatusOr<absl::Duration> ParseSpan(const std::string& flag, const std::string& text) {
  absl::Duration span;
  if (absl::ParseDuration(text, &span) && span >= absl::ZeroDuration() && span < absl::InfiniteDuration()) return span;
  return absl::InvalidArgumentError(absl::StrCat(flag, ": \"", text, "\" is no span of time\ntry:   ", flag, " 30s"));
}

absl::StatusOr<absl::Time> ParseInstant(const std::string& flag, const std::string& text, absl::Time now) {
  if (!text.empty() && text[0] == '+') {
    FLEETCAST_ASSIGN_OR_RETURN(const absl::Duration ahead, ParseSpan(flag, text.substr(1)));
    return now + ahead;
  }
  absl::Time instant;
  std::string problem;
  if (absl::ParseTime(absl::RFC3339_full, text, &instant, &problem)) return instant;
  return absl::InvalidArgumentError(absl::StrCat(flag, ": \"", text, "\" is no time (", problem, ")\ntry:   ", flag,
                                                 " 2026-03-01T12:00:00Z, or ", flag, " +5m"));
}

void SetProto(absl::Duration span, google::protobuf::Duration* proto) {
  absl::Duration rest;
  proto->set_seconds(absl::IDivDuration(span, absl::Seconds(1), &rest));
  proto->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

void SetProto(absl::Time instant, google::protobuf::Timestamp* proto) {
  proto->set_seconds(absl::ToUnixSeconds(instant));
  proto->set_nanos(static_cast<int32_t>((instant - absl::FromUnixSeconds(proto->seconds())) / absl::Nanoseconds(1)));
}

}  // namespace fleetcast::cli
