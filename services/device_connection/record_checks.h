// Lets no session outlive what the record of its device allows (reliability S7, D-ADM-1).
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "fleetcast/internal/v1/device_record.pb.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/device_connection/credential.h"
#include "services/device_connection/edges.h"
#include "services/device_connection/hub_metrics.h"
#include "services/device_connection/session_directory.h"
#include "services/device_connection/session_table.h"
#include "services/device_connection/twin_client.h"

namespace fleetcast::device_connection {

// Why a session that was opened with `credential` may not stay: "deleted", "disabled" or "credential"; null = it may.
// `record` is null when the device does not exist. With `keeps_old_credentials` the last one is no reason.
const char* WhyRevoked(const internal::v1::DeviceRecord* record, CredentialId credential, bool keeps_old_credentials);

// Looks again at devices (and modules) whose records changed: finds their session, reads the record anew, and tells a
// session that may not stay to go, by its epoch. What cannot be decided because Redis or twin is away is tried every
// second until it can. A session that this process does not know, because it came through another replica, is asked to
// announce itself, and judged then (session_changes). Thread-safe.
class RecordChecks {
 public:
  struct Parts {
    SessionDirectory& directory;
    const SessionTable& sessions;
    const Edges& edges;
    TwinClient& twin;
    Clock& clock;
    const HubMetrics& metrics;
    bool keeps_old_credentials = false;
  };

  static constexpr size_t kPendingMax = 1'000'000;
  static constexpr absl::Duration kAgain = absl::Seconds(1);

  explicit RecordChecks(const Parts& parts);

  // Never waits. False when too many wait: whoever told of the change has to tell again.
  bool Submit(const std::string& device_id) EXCLUDES(mutex_);

  // Whether the session, in the light of this record, was told to go; counted if so.
  bool Revoke(const internal::v1::DeviceRecord* record, const Session& session, const std::shared_ptr<const Edge>& edge,
              EdgeMessages& messages) const;

 private:
  struct Known {
    Session session;
    std::shared_ptr<const Edge> edge;
  };

  void Run(std::stop_token stop);
  std::vector<std::string> Take(std::stop_token stop) EXCLUDES(mutex_);
  void PutBack(const std::vector<std::string>& device_ids) EXCLUDES(mutex_);
  // Gives those that could not be checked now.
  std::vector<std::string> Check(const std::vector<std::string>& device_ids);
  std::vector<std::string> Judge(const std::vector<Known>& known);

  const Parts parts_;
  Mutex mutex_;
  CondVar changed_;
  absl::flat_hash_set<std::string> pending_ GUARDED_BY(mutex_);
  std::jthread thread_;  // Last: it uses all above.
};

}  // namespace fleetcast::device_connection
