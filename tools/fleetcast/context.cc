#include "tools/fleetcast/context.h"

#include <cstdio>

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/config/config.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/exit_codes.h"
#include "tools/fleetcast/files.h"

namespace fleetcast::cli {
namespace {

// What a person can do about an error with this reason or code; nullptr when there is nothing to say.
const char* Hint(const absl::Status& status) {
  static constexpr struct {
    const char* reason;
    const char* hint;
  } kHints[] = {
      {"JOB_NOT_FOUND", "fleetcast job list"},
      {"JOB_ALREADY_EXISTS", "another id, or fleetcast job get ID"},
      {"JOB_FINISHED", "fleetcast job get ID"},
      {"JOB_NOT_IN_STATE", "fleetcast job watch ID, until it has ended"},
      {"JOB_RUNNING", "without --reject-running, to stop it all the same"},
      {"DEVICE_NOT_FOUND", "fleetcast device list"},
      {"DEVICE_ALREADY_EXISTS", "fleetcast device get ID"},
      {"DEVICE_NOT_ONLINE", "--connect-timeout 30s, to wait for the device"},
      {"RESPONSE_TIMEOUT", "--response-timeout with a longer time; the device may have done it"},
      {"EDGE_NOT_FOUND", "fleetcast edge list"},
      {"ETAG_MISMATCH", "read it again, then repeat the change"},
      {"INVALID_CONDITION", "--where with another condition, for instance \"tags.building = '43'\""},
      {"INVALID_QUERY", "fleetcast query --help"},
  };
  const std::string reason = GetReason(status);
  for (const auto& entry : kHints) {
    if (reason == entry.reason) return entry.hint;
  }
  if (absl::IsUnavailable(status)) return "does Fleetcast run? scripts/dev starts it on this machine";
  return nullptr;
}

}  // namespace

Format Context::format() const {
  if (output == "json") return Format::kJson;
  if (output == "jsonl") return Format::kJsonl;
  return Format::kTable;
}

void Context::Finish(const absl::Status& status) {
  if (status.ok()) return;
  exit_code = ExitCodeOf(status);
  std::fputs(FormatError(status).c_str(), stderr);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> Context::Connect(std::string Endpoints::*endpoint,
                                                                         std::string_view what) const {
  FLEETCAST_ASSIGN_OR_RETURN(const Endpoints found,
                             FindEndpoints(endpoints, config::ProcessEnvironment(), env_file, "."));
  if ((found.*endpoint).empty()) {
    return absl::InvalidArgumentError(absl::StrCat("no address of the ", Absl(what), " service is known\ntry:   --",
                                                   Absl(what),
                                                   "-endpoint HOST:PORT, or scripts/dev in this directory"));
  }
  return rpc::MakeChannel(found.*endpoint);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> Context::Jobs() const {
  return Connect(&Endpoints::jobs, "jobs");
}
absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> Context::Twins() const {
  return Connect(&Endpoints::twins, "twins");
}
absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> Context::Methods() const {
  return Connect(&Endpoints::methods, "methods");
}
absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> Context::Sessions() const {
  return Connect(&Endpoints::sessions, "sessions");
}

void Context::Prepare(grpc::ClientContext& call) const { Prepare(call, absl::ZeroDuration()); }

void Context::Prepare(grpc::ClientContext& call, absl::Duration longer) const {
  call.set_deadline(absl::ToChronoTime(absl::Now() + limit + longer));
}

void Context::Print(const std::vector<std::string>& headings, const std::vector<Record>& records) const {
  std::fputs(FormatList(format(), headings, records).c_str(), stdout);
}

void Context::PrintOne(const std::vector<std::string>& names, const Record& record) const {
  std::fputs(FormatOne(format(), names, record).c_str(), stdout);
}

int ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  if (absl::IsUnavailable(status)) return kExitUnreachable;
  // Mistakes that we find ourselves carry no reason; the services' do.
  if (absl::IsInvalidArgument(status) && GetReason(status).empty()) return kExitUsage;
  return kExitFailed;
}

std::string FormatError(const absl::Status& status) {
  const std::string reason = GetReason(status);
  const std::vector<rpc::FieldViolation> violations = rpc::GetFieldViolations(status);
  // The message of an error about fields is made of them: a line each is easier to read.
  std::string text = absl::StrCat("error: ", reason, reason.empty() || !violations.empty() ? "" : ": ",
                                  violations.empty() ? status.message() : absl::string_view(), "\n");
  for (const rpc::FieldViolation& violation : violations) {
    absl::StrAppend(&text, "       ", violation.field, ": ", violation.description, "\n");
  }
  if (const char* const hint = Hint(status); hint != nullptr) absl::StrAppend(&text, "try:   ", hint, "\n");
  return text;
}

absl::StatusOr<std::string> ArgumentText(const std::string& argument) {
  if (argument.empty() || argument[0] != '@') return argument;
  const absl::StatusOr<std::string> text = files::Read(argument.substr(1));
  if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
  return *text;
}

void Say(std::string_view line) { std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data()); }

void SayIfMore(std::string_view next_page_token) {
  if (!next_page_token.empty()) Say("There are more.\ntry:   --limit with a larger number");
}

}  // namespace fleetcast::cli
