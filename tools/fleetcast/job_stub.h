// What the commands about jobs share.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "fleetcast/jobs/v1/job.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "tools/fleetcast/context.h"

namespace fleetcast::cli {

inline absl::StatusOr<std::unique_ptr<jobs::v1::JobService::Stub>> ConnectJobs(const Context& context) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, context.Jobs());
  return jobs::v1::JobService::NewStub(channel);
}

// "timed_out" as the enum value STATE_TIMED_OUT; `Parse` is the generated parser.
template <typename State, typename Parser>
absl::StatusOr<State> ParseState(const std::string& word, Parser parse) {
  State state = {};
  if (parse(absl::StrCat("STATE_", absl::AsciiStrToUpper(word)), &state)) return state;
  return absl::InvalidArgumentError(absl::StrCat("--state: there is no state \"", word, "\"\ntry:   --state running"));
}

}  // namespace fleetcast::cli
