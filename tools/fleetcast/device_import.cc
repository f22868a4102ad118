#include <cstdio>
#include <deque>
#include <memory>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "fleetcast/registry/v1/device.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/json/json.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/device_transfer.h"
#include "tools/fleetcast/exit_codes.h"
#include "tools/fleetcast/files.h"
#include "tools/fleetcast/interrupt.h"
#include "tools/fleetcast/line_reader.h"
#include "tools/fleetcast/transfer_progress.h"

namespace fleetcast::cli {
namespace {

namespace registry_pb = registry::v1;

constexpr int kLinesPerRequest = 1000;                // device.proto
constexpr size_t kBytesPerRequest = size_t{1} << 20;  // Below its bound, so that one more line fits.
constexpr size_t kRequestsAhead = 4;                  // Of 8 that may wait.
constexpr int kErrorsShown = 20;

// What became of the lines so far.
struct Totals {
  int64_t created = 0, updated = 0, deleted = 0, unchanged = 0, failed = 0;

  int64_t done() const { return created + updated + deleted + unchanged + failed; }
};

// Where lines that failed are told.
class ErrorSink {
 public:
  static absl::StatusOr<ErrorSink> Open(const std::string& path) {
    if (path.empty()) return ErrorSink(nullptr);
    std::FILE* const file = std::fopen(path.c_str(), "we");
    if (file == nullptr) return files::SystemError(errno, path);
    return ErrorSink(std::unique_ptr<std::FILE, int (*)(std::FILE*)>(file, &std::fclose));
  }

  // `line`: its number in the file, from 1.
  void Add(int64_t line, const registry_pb::ImportError& error, TransferProgress& progress) {
    ++errors_;
    if (file_ != nullptr) {
      json::Value object = json::Value::MakeObject();
      object.Set("line", json::Value::Int(line));
      object.Set("id", json::Value::String(error.device_id()));
      if (!error.module_id().empty()) object.Set("moduleId", json::Value::String(error.module_id()));
      object.Set("reason", json::Value::String(error.reason()));
      object.Set("message", json::Value::String(error.message()));
      std::fprintf(file_.get(), "%s\n", json::Print(object).c_str());
      return;
    }
    if (errors_ > kErrorsShown) return;
    progress.Close();
    const std::string name =
        error.module_id().empty() ? error.device_id() : absl::StrCat(error.device_id(), "/", error.module_id());
    Say(absl::StrCat("line ", line, ": ", name, name.empty() ? "" : ": ", error.reason(), ": ", error.message()));
    if (errors_ == kErrorsShown) Say("(more are only counted; --errors FILE keeps all)");
  }

 private:
  using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
  explicit ErrorSink(std::nullptr_t) : file_(nullptr, &std::fclose) {}
  explicit ErrorSink(File file) : file_(std::move(file)) {}

  File file_;
  int64_t errors_ = 0;
};

// One import.
class Import {
 public:
  Import(LineReader& lines, ErrorSink& errors) : lines_(lines), errors_(errors) {}

  // Until the end of the file, of the stream, or an interrupt.
  absl::Status Run(registry_pb::DeviceService::Stub& stub) {
    grpc::ClientContext call;
    InterruptWatch interrupt([] {});
    const auto stream = stub.ImportDevices(&call);
    absl::Status read;
    bool is_open = true;
    while (is_open && read.ok() && !interrupt.interrupted()) {
      registry_pb::ImportDevicesRequest request;
      const int64_t first = lines_.lines() + 1;
      read = Fill(request);
      if (!read.ok() || request.lines().empty()) break;
      while (is_open && first_lines_.size() >= kRequestsAhead) is_open = Receive(*stream);
      is_open = is_open && stream->Write(request);
      if (is_open) first_lines_.push_back(first);
    }
    // What was sent is answered also after an interrupt: then the totals are right.
    while (is_open && !first_lines_.empty()) is_open = Receive(*stream);
    stream->WritesDone();
    const absl::Status status = rpc::FromGrpc(stream->Finish());
    progress_.Close();
    was_interrupted_ = interrupt.interrupted();
    return status.ok() ? read : status;
  }

  const Totals& totals() const { return totals_; }
  bool was_interrupted() const { return was_interrupted_; }
  absl::Duration elapsed() const { return progress_.elapsed(); }

 private:
  using Stream =
      grpc::ClientReaderWriterInterface<registry_pb::ImportDevicesRequest, registry_pb::ImportDevicesResponse>;

  absl::Status Fill(registry_pb::ImportDevicesRequest& request) {
    size_t bytes = 0;
    std::string line;
    while (request.lines_size() < kLinesPerRequest && bytes < kBytesPerRequest) {
      FLEETCAST_ASSIGN_OR_RETURN(const bool has_line, lines_.Next(line));
      if (!has_line) break;
      bytes += line.size();
      request.add_lines(line);
    }
    return absl::OkStatus();
  }

  bool Receive(Stream& stream) {
    registry_pb::ImportDevicesResponse response;
    if (!stream.Read(&response)) return false;
    totals_.created += response.created();
    totals_.updated += response.updated();
    totals_.deleted += response.deleted();
    totals_.unchanged += response.unchanged();
    totals_.failed += response.errors_size();
    for (const registry_pb::ImportError& error : response.errors()) {
      errors_.Add(first_lines_.front() + error.index(), error, progress_);
    }
    first_lines_.pop_front();
    // The file's size tells about how many lines there are.
    const int64_t total = lines_.bytes() == 0 ? 0
                                              : static_cast<int64_t>(static_cast<double>(lines_.lines()) *
                                                                     static_cast<double>(lines_.size()) /
                                                                     static_cast<double>(lines_.bytes()));
    progress_.Show({.total = total, .done = totals_.done(), .failures = totals_.failed});
    return true;
  }

  LineReader& lines_;
  ErrorSink& errors_;
  TransferProgress progress_{"import"};
  std::deque<int64_t> first_lines_;  // Of requests without answer.
  Totals totals_;
  bool was_interrupted_ = false;
};

void Summarise(const Import& import) {
  const Totals& totals = import.totals();
  const double seconds = absl::ToDoubleSeconds(import.elapsed());
  const auto rate = static_cast<int64_t>(seconds > 0 ? static_cast<double>(totals.done()) / seconds : 0);
  Say(absl::StrCat(GroupDigits(totals.done()), totals.done() == 1 ? " line in " : " lines in ",
                   absl::FormatDuration(absl::Trunc(import.elapsed(), absl::Milliseconds(100))), " (",
                   GroupDigits(rate), "/s): ", GroupDigits(totals.created), " created, ", GroupDigits(totals.updated),
                   " updated, ", GroupDigits(totals.unchanged), " unchanged, ", GroupDigits(totals.deleted),
                   " deleted, ", GroupDigits(totals.failed), " failed; peak memory ", PeakMemory()));
}

}  // namespace

absl::Status ImportDevices(Context& context, const ImportOptions& options) {
  BlockInterrupts();
  FLEETCAST_ASSIGN_OR_RETURN(LineReader lines, LineReader::Open(options.file));
  FLEETCAST_ASSIGN_OR_RETURN(ErrorSink errors, ErrorSink::Open(options.errors));
  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, context.Twins());
  const auto stub = registry_pb::DeviceService::NewStub(channel);
  Import import(lines, errors);
  const absl::Status status = import.Run(*stub);
  Summarise(import);
  if (!status.ok()) {
    Say("What was answered is done, and maybe more; import the same file again to go on.");
    return status;
  }
  if (import.was_interrupted()) {
    Say("Stopped. What was sent is done; import the same file again to go on.");
    context.exit_code = kExitInterrupted;
    return absl::OkStatus();
  }
  if (import.totals().failed == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(GroupDigits(import.totals().failed),
                                                    import.totals().failed == 1 ? " line" : " lines",
                                                    " failed, the others took effect"));
}

}  // namespace fleetcast::cli
