// A device_connection: the real tables, directory and look-up between played streams, workers and keeper.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "services/device_connection/delivery_table.h"
#include "services/device_connection/edges.h"
#include "services/device_connection/session_directory.h"
#include "services/device_connection/session_finder.h"
#include "services/device_connection/session_table.h"
#include "services/device_connection/watch_list.h"
#include "services/method_dispatch/pending_calls.h"
#include "tests/sim/frames.h"
#include "tests/sim/stream.h"

namespace fleetcast::sim {

class World;
class SimDispatcher;
class SimEdge;

class SimHub final : public Process {
 public:
  using Calls = std::shared_ptr<const std::vector<method_dispatch::Actions::Deliver>>;

  SimHub(World& world, int index);
  ~SimHub() override;

  // In a thousand pieces of work: one that takes seconds.
  int slow_per_mille = 0;

  // From edges.
  void AcceptEdge(SimEdge& edge, const device_connection::EdgeName& name, const std::shared_ptr<Stream>& stream);
  void OnFrame(const Stream* stream, EdgeFrame frame);

  // From dispatchers.
  void AcceptDispatcher(SimDispatcher& dispatcher, const std::shared_ptr<Stream>& stream);
  void OnCalls(const Stream* stream, Calls calls);
  void OnWatch(const Stream* stream, const std::vector<std::string>& watch, const std::vector<std::string>& unwatch);

  // Where this process would push a call to the device now.
  device_connection::FoundSession Find(const std::string& device_id);

 private:
  class Outlet;
  struct State;
  using EdgeRef = std::shared_ptr<const device_connection::Edge>;
  using Events = std::map<device_connection::DispatcherStream, std::vector<internal::v1::DeliverEvent>>;

  void OnStart() override;
  void OnKill() override;
  absl::Duration WorkTime();
  static void Tell(const EdgeRef& edge, HubFrame frame);
  void TellToGo(const EdgeRef& edge, uint64_t session, int64_t epoch);

  // sim_hub_sessions.cc
  void Note(const char* what, const std::string& device_id, int64_t epoch);
  void Enter(const EdgeRef& edge, const EdgeFrame::Open& open);
  void RefuseOpen(const EdgeRef& edge, uint64_t session);
  void Finish(const EdgeRef& edge, const EdgeFrame::Open& open, const device_connection::OpenedSession& opened,
              bool session_present, int64_t round);
  void TakeOver(const device_connection::OpenedSession& opened);
  void EnterLate(const std::vector<device_connection::Session>& sessions);
  void Announce(const EdgeRef& edge, const std::vector<EdgeFrame::Live>& live);
  void Subscribe(const EdgeRef& edge, const EdgeFrame::Subscription& change);
  void CloseSession(const EdgeRef& edge, const EdgeFrame::Closed& closed);
  int64_t EpochOf(const EdgeRef& edge, const EdgeFrame::Closed& closed);
  absl::Status AnnounceAll();
  absl::Status AnnouncePage(const std::vector<device_connection::Session>& sessions);
  void LookAtUntold();
  bool HasOneAttachedSince() const;
  void Close(const std::string& device_id, int64_t epoch);
  void GoOlder(const std::string& device_id, int64_t epoch);
  void Keep();
  void RenewLeases();
  absl::Status Recover();
  void EndEdge(const device_connection::Edges::Ended& ended);
  bool Sweep();

  // sim_hub.cc
  void OnReports(const std::vector<mqtt_edge::ReportLog::Entry>& reports);
  void Deliver(device_connection::DispatcherStream stream, const Calls& calls);
  void ChangeWatches(device_connection::DispatcherStream stream, const std::vector<std::string>& watch,
                     const std::vector<std::string>& unwatch);
  void OnReady(const std::vector<std::string>& device_ids);
  void Route(std::vector<device_connection::RoutedEvent> events);
  void Send(Events events);
  device_connection::DispatcherStream NumberOf(const Stream* stream) const;

  World& world_;
  std::unique_ptr<State> state_;
};

}  // namespace fleetcast::sim
