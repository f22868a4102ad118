#include "services/device_connection/presence_reporter.h"

#include <utility>
#include <vector>

#include "libs/telemetry/log.h"

namespace fleetcast::device_connection {

PresenceReporter::PresenceReporter(TwinClient& twin, Clock& clock)
    : twin_(twin), clock_(clock), thread_([this](std::stop_token stop) { Run(stop); }) {}

void PresenceReporter::Connected(const Session& session) {
  MutexLock lock(mutex_);
  changes_.Connected(session.device_id, session.epoch, session.connect_unix_micros);
}

void PresenceReporter::Disconnected(const std::string& device_id, int64_t epoch) {
  const int64_t now = absl::ToUnixMicros(clock_.Now());
  MutexLock lock(mutex_);
  changes_.Disconnected(device_id, epoch, now);
}

void PresenceReporter::Active(const std::string& device_id, int64_t epoch) {
  const int64_t now = absl::ToUnixMicros(clock_.Now());
  MutexLock lock(mutex_);
  changes_.Active(device_id, epoch, now);
}

void PresenceReporter::Run(std::stop_token stop) {
  while (clock_.Sleep(kPeriod, stop)) {
    while (ReportSome() && !stop.stop_requested()) {
    }
  }
  ReportSome();
}

// True when there may be more.
bool PresenceReporter::ReportSome() {
  std::vector<internal::v1::PresenceChange> changes;
  {
    MutexLock lock(mutex_);
    changes = changes_.Take(kPerCallMax);
  }
  if (changes.empty()) return false;
  internal::v1::RecordPresenceRequest request;
  for (const internal::v1::PresenceChange& change : changes) *request.add_changes() = change;
  const absl::Status recorded = twin_.RecordPresence(request);
  if (recorded.ok()) return changes.size() == kPerCallMax;
  FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(10), "presence not recorded, trying again", {{"error", recorded}});
  MutexLock lock(mutex_);
  changes_.PutBack(std::move(changes));
  return false;
}

}  // namespace fleetcast::device_connection
