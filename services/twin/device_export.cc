#include "services/twin/device_export.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "services/twin/export_line.h"

namespace fleetcast::twin {
namespace {

using registry::v1::ExportDevicesResponse;

constexpr std::string_view kListing = "ExportDevices";  // What a resume token belongs to.
constexpr absl::Duration kPageLimit = absl::Seconds(30);
// A message is sent when its lines are this long together; one line is at most some hundred kilobytes.
constexpr size_t kMessageBytes = size_t{1} << 20;

// Gathers lines into messages.
class Lines {
 public:
  Lines(DeviceExport::Out& out, const PageTokens& tokens, int64_t total) : out_(out), tokens_(tokens) {
    message_.set_total_devices(total);
  }

  void Add(std::string line) {
    bytes_ += line.size();
    message_.add_lines(std::move(line));
  }

  // Sends what was gathered when it is enough, or at the end of all. Only after a device and all of its modules: the
  // token goes on behind `last`. False when nobody listens any more.
  bool Send(const std::string& last, bool is_forced) {
    if (bytes_ < kMessageBytes && !is_forced) return true;
    if (message_.lines().empty() && message_.total_devices() == 0) return true;
    if (!last.empty()) message_.set_resume_token(tokens_.Seal(last, {kListing}));
    bytes_ = 0;
    return out_.Send(std::exchange(message_, {}));
  }

 private:
  DeviceExport::Out& out_;
  const PageTokens& tokens_;
  ExportDevicesResponse message_;
  size_t bytes_ = 0;
};

}  // namespace

absl::Status DeviceExport::Run(const rpc::Call& call, const registry::v1::ExportDevicesRequest& request, Out& out) {
  std::string after;
  if (!request.resume_token().empty()) {
    FLEETCAST_ASSIGN_OR_RETURN(after, tokens_.Open(request.resume_token(), {kListing}));
  }
  const KeyVault* const vault = request.exclude_keys() ? nullptr : &vault_;
  const auto deadline = [&call] { return std::min(call.deadline, absl::Now() + kPageLimit); };
  FLEETCAST_ASSIGN_OR_RETURN(const int64_t total, store_.EstimateDevices(deadline()));
  Lines lines(out, tokens_, total);
  bool is_last = false;
  while (!is_last) {
    FLEETCAST_ASSIGN_OR_RETURN(const ExportStore::Page page, store_.Read(deadline(), after));
    is_last = page.is_last;
    auto module = page.modules.begin();
    for (const ExportRow& row : page.devices) {
      FLEETCAST_ASSIGN_OR_RETURN(std::string line, ExportLine(row, vault));
      lines.Add(std::move(line));
      after = row.identity.settings.device_id;
      for (; module != page.modules.end() && module->identity.settings.device_id == after; ++module) {
        FLEETCAST_ASSIGN_OR_RETURN(line, ExportLine(*module, vault));
        lines.Add(std::move(line));
      }
      if (!lines.Send(after, false)) return absl::CancelledError("the caller has gone");
    }
    if (!lines.Send(after, is_last)) return absl::CancelledError("the caller has gone");
  }
  return absl::OkStatus();
}

}  // namespace fleetcast::twin
