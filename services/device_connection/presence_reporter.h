// Tells the twin service who is connected, in batches.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/device_connection/presence_changes.h"
#include "services/device_connection/session_table.h"
#include "services/device_connection/twin_client.h"

namespace fleetcast::device_connection {

// Reports every kPeriod, at most kPerCallMax devices a call, and again what was not taken: connectionState is exact
// within two seconds (design.md, device-mqtt.md 5.3). Thread-safe; never waits for the twin service.
class PresenceReporter {
 public:
  static constexpr absl::Duration kPeriod = absl::Milliseconds(250);
  static constexpr size_t kPerCallMax = 10'000;

  PresenceReporter(TwinClient& twin, Clock& clock);

  void Connected(const Session& session);
  void Disconnected(const std::string& device_id, int64_t epoch);
  void Active(const std::string& device_id, int64_t epoch);

 private:
  void Run(std::stop_token stop);
  bool ReportSome();

  TwinClient& twin_;
  Clock& clock_;
  Mutex mutex_;
  PresenceChanges changes_ GUARDED_BY(mutex_);
  std::jthread thread_;  // Last: it uses all above.
};

}  // namespace fleetcast::device_connection
