#include "services/mqtt_edge/link/report_log.h"

#include <utility>

namespace fleetcast::mqtt_edge {

void ReportLog::PopFront() {
  bytes_ -= entries_.front().report.payload.size();
  entries_.pop_front();
  if (cursor_ > 0) --cursor_;
}

size_t ReportLog::Append(CallReport report) {
  size_t dropped = 0;
  while (!entries_.empty() && (entries_.size() >= reports_max_ || bytes_ + report.payload.size() > bytes_max_)) {
    PopFront();
    ++dropped;
  }
  bytes_ += report.payload.size();
  entries_.push_back({++last_sequence_, std::move(report)});
  return dropped;
}

std::vector<const ReportLog::Entry*> ReportLog::TakeUnsent(size_t count_max, size_t bytes_max) {
  std::vector<const Entry*> taken;
  size_t bytes = 0;
  while (cursor_ < entries_.size() && taken.size() < count_max && bytes < bytes_max) {
    const Entry& entry = entries_[cursor_++];
    bytes += entry.report.payload.size();
    taken.push_back(&entry);
  }
  return taken;
}

void ReportLog::Acknowledge(uint64_t sequence) {
  while (!entries_.empty() && entries_.front().sequence <= sequence) PopFront();
}

}  // namespace fleetcast::mqtt_edge
