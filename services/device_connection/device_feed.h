// What changed in the twin service, handed to the edges it concerns.
#pragma once

#include "fleetcast/internal/v1/device_feed.pb.h"
#include "services/device_connection/edges.h"
#include "services/device_connection/hub_metrics.h"
#include "services/device_connection/record_cache.h"
#include "services/device_connection/record_checks.h"
#include "services/device_connection/session_changes.h"
#include "services/device_connection/session_table.h"

namespace fleetcast::device_connection {

// Never blocks. Changes of one device keep the order in which they come; an edge that does not take a change loses its
// stream, attaches again and compares versions, so that no change is skipped in silence (T5). Thread-safe.
class DeviceFeed {
 public:
  struct Parts {
    RecordCache& records;
    const SessionTable& sessions;
    const Edges& edges;
    SessionChanges& changes;
    RecordChecks& checks;
    const HubMetrics& metrics;
  };

  explicit DeviceFeed(const Parts& parts) : parts_(parts) {}

  // When this returns true, all changes of the batch are on their way. False: too many wait already, the batch has to
  // be published again.
  bool OnBatch(internal::v1::PublishRequest& batch);

 private:
  void OnDesired(const std::string& device_id, internal::v1::DesiredPropertiesChanged& change, EdgeMessages& messages);
  bool OnRecord(const std::string& device_id, const internal::v1::DeviceRecordChanged& change, EdgeMessages& messages);

  const Parts parts_;
};

}  // namespace fleetcast::device_connection
