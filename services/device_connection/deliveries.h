// Carries method calls from dispatchers to edges, and what edges say about them back.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "fleetcast/internal/v1/delivery.pb.h"
#include "fleetcast/internal/v1/edge_link.pb.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/device_connection/batch_worker.h"
#include "services/device_connection/delivery_table.h"
#include "services/device_connection/edges.h"
#include "services/device_connection/hub_metrics.h"
#include "services/device_connection/session_directory.h"
#include "services/device_connection/session_finder.h"
#include "services/device_connection/session_table.h"
#include "services/device_connection/twin_client.h"
#include "services/device_connection/watch_list.h"

namespace fleetcast::device_connection {

// The way to a dispatcher: its Deliver stream. Thread-safe.
class DispatcherOutlet {
 public:
  virtual ~DispatcherOutlet() = default;
  // Takes `message`, or says false and leaves it alone: the stream is over or its outbox is full. Never waits.
  virtual bool TrySend(internal::v1::DeliverResponse& message) = 0;
  virtual void Abort() = 0;
};

// Thread-safe. OnMessage and OnReports return at once: what has to ask Redis or twin happens on threads of its own.
//
// A call is pushed to the edge that the directory names, when that edge is attached here. What comes back is one event
// per step, to the stream that asked; NOT_SENT is proof. A dispatcher has a credit here, and each edge one of its own:
// what is beyond the edge's is answered OVERLOADED at once, so that a slow edge does not use up a dispatcher's. When
// Redis cannot be asked, sessions that were opened here are still reached; others are answered OVERLOADED, never
// OFFLINE.
class Deliveries {
 public:
  struct Parts {
    SessionDirectory& directory;
    const SessionTable& sessions;
    const Edges& edges;
    TwinClient& twin;
    Clock& clock;
    const HubMetrics& metrics;
  };

  static constexpr int kThreads = 2;
  static constexpr size_t kQueueMax = 4096;  // Messages of dispatchers that wait for a thread.
  // Calls of one dispatcher that may be under way here without any event: twice what one edge takes, so that others
  // have room beside a slow one.
  static constexpr int64_t kDispatcherCredit = 40'000;

  Deliveries(const Parts& parts, const DeliveryTable::Options& options);

  DispatcherStream Attach(std::shared_ptr<DispatcherOutlet> outlet);
  void OnMessage(DispatcherStream stream, internal::v1::DeliverRequest message);
  void Detach(DispatcherStream stream);

  // What `edge` says about calls. They are taken when this returns.
  void OnReports(google::protobuf::RepeatedPtrField<internal::v1::CallReport>& reports);
  void OnEdgeEnded(EdgeNumber edge);

  // These devices are connected and listen to methods.
  void OnReady(const std::vector<std::string>& device_ids);

  // Forgets what is over. About once a second.
  void OnTime();

  // Ends the streams of all dispatchers.
  void AbortAll();

  size_t pending_count() const;
  size_t watch_count() const;

 private:
  struct Request {
    DispatcherStream stream = 0;
    std::shared_ptr<const internal::v1::DeliverRequest> message;
  };
  // What is gathered for dispatchers before it is sent, by stream.
  using Answers = absl::flat_hash_map<DispatcherStream, internal::v1::DeliverResponse>;

  void Handle(const Request& request);
  // Tells edges which answers were taken.
  void TakeAnswers(const internal::v1::DeliverRequest& message);
  void DeliverCalls(const Request& request, Answers& answers);
  using Calls = std::vector<const internal::v1::DeliverCall*>;
  void Push(const Request& request, const Calls& calls, const std::vector<FoundSession>& found, Answers& answers);
  std::vector<bool> Note(const Request& request, const Calls& calls, const std::vector<FoundSession>& found);
  void PushTo(const Request& request, const Edge& edge, const Calls& calls, internal::v1::AttachResponse message,
              Answers& answers);
  void RefuseAbsent(const Request& request, const Calls& calls, Answers& answers);
  void Refuse(const Request& request, const internal::v1::DeliverCall& call, internal::v1::NotSentReason reason,
              Answers& answers);
  void ChangeWatches(const Request& request, Answers& answers);
  void Route(std::vector<RoutedEvent> events);
  void Send(Answers answers);
  void Redirect(DispatcherStream lost, const google::protobuf::RepeatedPtrField<internal::v1::DeliverEvent>& events)
      EXCLUDES(mutex_);

  const Parts parts_;
  mutable Mutex mutex_;
  DeliveryTable table_ GUARDED_BY(mutex_);
  WatchList watches_ GUARDED_BY(mutex_);
  absl::flat_hash_map<DispatcherStream, std::shared_ptr<DispatcherOutlet>> streams_ GUARDED_BY(mutex_);
  DispatcherStream last_stream_ GUARDED_BY(mutex_) = 0;
  BatchWorker<Request> worker_;  // Last: its threads use all above.
};

}  // namespace fleetcast::device_connection
