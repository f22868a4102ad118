// What all commands share: global options, connections, and how results and errors are printed.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/fleetcast/endpoints.h"
#include "tools/fleetcast/output.h"

namespace grpc {
class ChannelInterface;
class ClientContext;
}  // namespace grpc

namespace fleetcast::cli {

// Global options and the exit code. One per process, used by the main thread.
struct Context {
  Endpoints endpoints;                       // From flags.
  std::string env_file;                      // From the flag; empty = look for it.
  std::string output;                        // "", "table", "json" or "jsonl".
  absl::Duration limit = absl::Seconds(30);  // Deadline of a single call.
  int exit_code = 0;                         // What the chosen command ended with.

  Format format() const;
  // Sets the exit code from `status` and prints an error with a "try" line.
  void Finish(const absl::Status& status);

  // A connection to one of the services. INVALID_ARGUMENT says how to name the endpoint when none is known.
  absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> Jobs() const;
  absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> Twins() const;
  absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> Methods() const;
  absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> Sessions() const;

  // Sets the deadline of a call.
  void Prepare(grpc::ClientContext& call) const;
  void Prepare(grpc::ClientContext& call, absl::Duration longer) const;

  // Print on standard output in the chosen format.
  void Print(const std::vector<std::string>& headings, const std::vector<Record>& records) const;
  void PrintOne(const std::vector<std::string>& names, const Record& record) const;

 private:
  absl::StatusOr<std::shared_ptr<grpc::ChannelInterface>> Connect(std::string Endpoints::*endpoint,
                                                                  std::string_view what) const;
};

// Exit code and text of an error: "error: REASON: message", fields that are wrong, and what to try.
int ExitCodeOf(const absl::Status& status);
std::string FormatError(const absl::Status& status);

// The text of an argument: `@file` is the file's content, anything else stands for itself.
absl::StatusOr<std::string> ArgumentText(const std::string& argument);

// A line on standard error.
void Say(std::string_view line);

// Rows that a list asks for at once: as many as a service gives.
inline constexpr int kPageSize = 1000;

// Says that a list was cut, when there is a token for its next page.
void SayIfMore(std::string_view next_page_token);

}  // namespace fleetcast::cli
