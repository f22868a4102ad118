#include "libs/base/status.h"

#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/strings.h"

namespace fleetcast {
namespace {

constexpr char kPayloadUrl[] = "fleetcast/error-detail";
// Separators that occur in no reason and no id: ASCII unit and record separators.
constexpr char kUnit = '\x1f';
constexpr char kRecord = '\x1e';

}  // namespace

absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message,
                       std::map<std::string, std::string> metadata) {
  absl::Status status(code, Absl(message));
  std::string packed(reason);
  for (const auto& [key, value] : metadata) {
    absl::StrAppend(&packed, std::string(1, kRecord), key, std::string(1, kUnit), value);
  }
  status.SetPayload(kPayloadUrl, absl::Cord(packed));
  return status;
}

ErrorDetail GetErrorDetail(const absl::Status& status) {
  ErrorDetail detail;
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value()) return detail;
  const std::string packed(*payload);
  const std::vector<std::string> records = absl::StrSplit(packed, kRecord);
  detail.reason = records.front();
  for (size_t i = 1; i < records.size(); ++i) {
    std::pair<std::string, std::string> entry = absl::StrSplit(records[i], absl::MaxSplits(kUnit, 1));
    detail.metadata.insert(std::move(entry));
  }
  return detail;
}

std::string GetReason(const absl::Status& status) { return GetErrorDetail(status).reason; }

absl::Status Annotate(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(Absl(prefix), ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { annotated.SetPayload(url, payload); });
  return annotated;
}

}  // namespace fleetcast
