// What happens to sessions after they were opened: announced again, subscribed, closed, forgotten.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "fleetcast/internal/v1/edge_link.pb.h"
#include "libs/base/clock.h"
#include "services/device_connection/batch_worker.h"
#include "services/device_connection/deliveries.h"
#include "services/device_connection/directory_keeper.h"
#include "services/device_connection/edges.h"
#include "services/device_connection/hub_metrics.h"
#include "services/device_connection/presence_reporter.h"
#include "services/device_connection/record_checks.h"
#include "services/device_connection/session_directory.h"
#include "services/device_connection/session_table.h"
#include "services/device_connection/twin_client.h"

namespace fleetcast::device_connection {

// Works in batches, in order: one thread for what edges say of live sessions, one each for those that closed and for
// what is to be forgotten. Thread-safe.
class SessionChanges {
 public:
  struct Parts {
    SessionDirectory& directory;
    DirectoryKeeper& keeper;
    SessionTable& sessions;
    const Edges& edges;
    TwinClient& twin;
    PresenceReporter& presence;
    Deliveries& deliveries;
    RecordChecks& checks;
    Clock& clock;
    const HubMetrics& metrics;
  };

  static constexpr size_t kQueueMax = 1'000'000;  // Sessions that edges announce at once after a restart.

  explicit SessionChanges(const Parts& parts);

  // A live session of an edge that attached. One that has been replaced meanwhile, or may not stay in the light of its
  // device's record, is told to go; one that listens to desired properties is told their version, so that its edge sees
  // whether it missed a change.
  void Announce(std::shared_ptr<const Edge> edge, internal::v1::LiveSession session);
  // Registers, and stores if durable, the subscriptions of a session; answered by one SubscriptionSaved (D-SES-1).
  void Subscribe(std::shared_ptr<const Edge> edge, internal::v1::SubscriptionChange change);
  // A session of `edge` ended, or never came about as far as the edge knows (epoch 0).
  void Close(std::shared_ptr<const Edge> edge, internal::v1::SessionClosed closed);
  // The device was deleted, or may be another one by now: what the directory stores of its subscriptions is void.
  void ForgetStored(const std::string& device_id);

 private:
  struct Live {
    std::shared_ptr<const Edge> edge;
    internal::v1::LiveSession session;
  };
  struct Subscription {
    std::shared_ptr<const Edge> edge;
    internal::v1::SubscriptionChange change;
  };

  // What an edge says of a live session. An announcement holds the subscriptions of its moment, and a SUBSCRIBE those
  // of a later one: out of order, the older would stand in the end.
  using Told = std::variant<Live, Subscription>;

  struct Closed {
    std::shared_ptr<const Edge> edge;
    internal::v1::SessionClosed session;
  };

  void HandleTold(std::vector<Told> batch);
  void HandleAnnounced(std::vector<Live> batch);
  bool EnterAgain(const std::vector<Live>& batch, std::vector<bool>* stands);
  void CheckRecords(const std::vector<Live>& batch, EdgeMessages& messages);
  void HandleSubscriptions(std::vector<Subscription> batch);
  void Register(const std::vector<Subscription>& batch, EdgeMessages& messages);
  void HandleClosed(std::vector<Closed> batch);
  void StoreExpiries(const std::vector<Closed>& batch);
  std::vector<SessionDirectory::Ending> EndingsOf(const std::vector<Closed>& batch);
  void HandleForgotten(std::vector<std::string> batch);

  const Parts parts_;
  BatchWorker<Told> told_;
  BatchWorker<Closed> closed_;
  BatchWorker<std::string> forgotten_;
};

}  // namespace fleetcast::device_connection
