#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "fleetcast/registry/v1/device.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/device_transfer.h"
#include "tools/fleetcast/exit_codes.h"
#include "tools/fleetcast/files.h"
#include "tools/fleetcast/interrupt.h"
#include "tools/fleetcast/reconnect.h"
#include "tools/fleetcast/transfer_progress.h"

namespace fleetcast::cli {
namespace {

namespace registry_pb = registry::v1;

constexpr int kExportReconnectsMax = 10;  // In a row without a line.

// A file that gets its name when it is complete, or standard output.
class Output {
 public:
  static absl::StatusOr<Output> Open(const std::string& path) {
    if (path == "-") return Output(stdout, "");
    const int descriptor = open(absl::StrCat(path, kPart).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor < 0) return files::SystemError(errno, path);
    return Output(fdopen(descriptor, "w"), path);
  }
  ~Output() { Discard(); }
  Output(Output&& other) noexcept : file_(std::exchange(other.file_, nullptr)), path_(std::move(other.path_)) {}
  Output& operator=(Output&&) = delete;

  absl::Status Write(const std::string& line) {
    if (std::fwrite(line.data(), 1, line.size(), file_) == line.size() && std::fputc('\n', file_) == '\n') {
      return absl::OkStatus();
    }
    return files::SystemError(errno, path_.empty() ? "standard output" : path_);
  }

  absl::Status Finish() {
    std::FILE* const file = std::exchange(file_, nullptr);
    if (path_.empty()) return std::fflush(file) == 0 ? absl::OkStatus() : files::SystemError(errno, "standard output");
    const bool is_good = std::fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (std::fclose(file) != 0 || !is_good) return files::SystemError(errno, path_);
    if (std::rename(absl::StrCat(path_, kPart).c_str(), path_.c_str()) != 0) return files::SystemError(errno, path_);
    return absl::OkStatus();
  }

 private:
  static constexpr char kPart[] = ".part";

  Output(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {}

  void Discard() {
    if (file_ == nullptr || path_.empty()) return;
    std::fclose(file_);
    std::remove(absl::StrCat(path_, kPart).c_str());
  }

  std::FILE* file_;
  std::string path_;  // Empty = standard output.
};

// One export, over lost connections.
class Export {
 public:
  Export(Output& output, bool exclude_keys) : output_(output) { request_.set_exclude_keys(exclude_keys); }

  absl::Status Run(registry_pb::DeviceService::Stub& stub) {
    absl::Status status;
    for (int silent = 0; silent < kExportReconnectsMax; ++silent) {
      if (silent > 0) SystemClock().Sleep(Backoff(SystemRandom(), silent, kReconnectFirst, kReconnectMost), {});
      const int64_t before = lines_;
      status = RunOnce(stub);
      if (!absl::IsUnavailable(status) || was_interrupted_) break;
      if (lines_ > before) silent = 0;
    }
    progress_.Close();
    return status;
  }

  int64_t lines() const { return lines_; }
  bool was_interrupted() const { return was_interrupted_; }
  absl::Duration elapsed() const { return progress_.elapsed(); }

 private:
  absl::Status RunOnce(registry_pb::DeviceService::Stub& stub) {
    grpc::ClientContext call;
    InterruptWatch interrupt([&call] { call.TryCancel(); });
    const auto reader = stub.ExportDevices(&call, request_);
    registry_pb::ExportDevicesResponse response;
    absl::Status written;
    while (written.ok() && reader->Read(&response)) {
      if (response.total_devices() > 0) total_ = response.total_devices();
      for (const std::string& line : response.lines()) {
        written = output_.Write(line);
        if (!written.ok()) break;
        ++lines_;
      }
      if (!response.resume_token().empty()) request_.set_resume_token(response.resume_token());
      progress_.Show({.total = total_, .done = lines_});
    }
    if (!written.ok()) call.TryCancel();
    const absl::Status status = rpc::FromGrpc(reader->Finish());
    was_interrupted_ = interrupt.interrupted();
    return written.ok() ? status : written;
  }

  Output& output_;
  registry_pb::ExportDevicesRequest request_;
  TransferProgress progress_{"export"};
  int64_t total_ = 0;
  int64_t lines_ = 0;
  bool was_interrupted_ = false;
};

}  // namespace

absl::Status ExportDevices(Context& context, const ExportOptions& options) {
  BlockInterrupts();
  FLEETCAST_ASSIGN_OR_RETURN(Output output, Output::Open(options.file));
  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, context.Twins());
  const auto stub = registry_pb::DeviceService::NewStub(channel);
  Export run(output, options.exclude_keys);
  const absl::Status status = run.Run(*stub);
  if (run.was_interrupted()) {
    Say("Stopped: the export is not complete.");
    context.exit_code = kExitInterrupted;
    return absl::OkStatus();
  }
  FLEETCAST_RETURN_IF_ERROR(status);
  FLEETCAST_RETURN_IF_ERROR(output.Finish());
  const double seconds = absl::ToDoubleSeconds(run.elapsed());
  const auto rate = static_cast<int64_t>(seconds > 0 ? static_cast<double>(run.lines()) / seconds : 0);
  Say(absl::StrCat(GroupDigits(run.lines()), run.lines() == 1 ? " line in " : " lines in ",
                   absl::FormatDuration(absl::Trunc(run.elapsed(), absl::Milliseconds(100))), " (", GroupDigits(rate),
                   "/s); peak memory ", PeakMemory()));
  return absl::OkStatus();
}

}  // namespace fleetcast::cli
