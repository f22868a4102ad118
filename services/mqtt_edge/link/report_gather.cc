#include "services/mqtt_edge/link/report_gather.h"

#include <algorithm>
#include <utility>

namespace fleetcast::mqtt_edge {

void ReportGather::Add(CallReport report, absl::Duration now) {
  const bool is_sent = report.kind == CallReport::Kind::kSent;
  const bool waits = load_.Count(now) || is_sent;
  due_ = std::min(due_, waits ? now + kGather : now);
  bytes_ += report.payload.size() + sizeof(report);
  if (CallReport* place = OvertakenSent(report)) {
    *place = std::move(report);
    return;
  }
  if (is_sent) sent_[report.call_id] = reports_.size();
  reports_.push_back(std::move(report));
}

std::vector<CallReport> ReportGather::Take() {
  sent_.clear();
  bytes_ = 0;
  due_ = absl::InfiniteDuration();
  return std::exchange(reports_, {});
}

CallReport* ReportGather::OvertakenSent(const CallReport& report) {
  const auto sent = sent_.find(report.call_id);
  if (sent == sent_.end()) return nullptr;
  CallReport* const place = &reports_[sent->second];
  sent_.erase(sent);
  return place;
}

}  // namespace fleetcast::mqtt_edge
