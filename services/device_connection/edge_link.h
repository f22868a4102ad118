// The stream of one edge: each frame goes where it belongs.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "fleetcast/internal/v1/edge_link.pb.h"
#include "libs/base/clock.h"
#include "services/device_connection/deliveries.h"
#include "services/device_connection/edges.h"
#include "services/device_connection/presence_reporter.h"
#include "services/device_connection/session_changes.h"
#include "services/device_connection/session_opener.h"
#include "services/device_connection/session_table.h"
#include "services/device_connection/twin_operations.h"

namespace fleetcast::device_connection {

// What the streams of edges work with. All outlive them.
struct EdgeLinkParts {
  Edges& edges;
  const SessionTable& sessions;
  SessionOpener& opener;
  SessionChanges& changes;
  TwinOperations& twin_operations;
  Deliveries& deliveries;
  PresenceReporter& presence;
  Clock& clock;
  std::string hub_boot_id;  // 32 hex digits, random for each start of this process.
};

// One attachment, from hello to end. Called by one thread at a time; never blocks.
class EdgeLink {
 public:
  EdgeLink(const EdgeLinkParts& parts, std::shared_ptr<EdgeOutlet> outlet)
      : parts_(parts), outlet_(std::move(outlet)) {}

  // An edge that does not begin with a proper hello is cut off.
  void OnMessage(internal::v1::AttachRequest message);
  void OnClosed(const absl::Status& why);

 private:
  bool Greet(const internal::v1::EdgeHello& hello);
  void TakeReports(internal::v1::AttachRequest& message);

  const EdgeLinkParts& parts_;
  std::shared_ptr<EdgeOutlet> outlet_;
  std::shared_ptr<const Edge> edge_;  // Set by the hello.
};

}  // namespace fleetcast::device_connection
