// An mqtt_edge: real connections and report logs between played sockets and streams.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "services/mqtt_edge/connection/connection.h"
#include "services/mqtt_edge/link/report_log.h"
#include "tests/sim/frames.h"
#include "tests/sim/stream.h"

namespace fleetcast::sim {

class World;
class SimDevice;
class SimHub;

class SimEdge final : public Process, private mqtt_edge::Effects {
 public:
  SimEdge(World& world, int index);
  ~SimEdge() override;

  // Called once all hubs exist.
  void AddHubs();
  const std::vector<std::unique_ptr<Dialer>>& dialers() const { return dialers_; }

  // From devices; `connection` names it over all edges.
  void AcceptDevice(int device, uint64_t connection, const std::shared_ptr<Stream>& stream);
  void OnBytes(const Stream* stream, const std::string& bytes);
  // A socket takes no bytes for `duration`.
  void BlockSocket(size_t nth, absl::Duration duration);

  // From hubs.
  void OnFrame(const Stream* stream, const HubFrame& frame);

  // The live session of the device with the highest epoch; 0 when there is none.
  int64_t EpochOf(int device) const;
  // How many connections are open.
  size_t connections() const { return clients_.size(); }

 private:
  struct Client {
    uint64_t session = 0;
    uint64_t connection = 0;
    int device = 0;
    std::shared_ptr<Stream> stream;
    std::unique_ptr<mqtt_edge::Connection> protocol;
    std::string backlog;
    absl::Duration blocked_until;
    std::map<uint64_t, int64_t> job_of_call;
    mqtt::PacketReader eavesdropper;  // Of Overhear.
  };
  // What LinkOutbox and HubLink hold of one hub.
  struct Link {
    bool is_attached = false;
    EdgeFrame frame;
    std::vector<mqtt_edge::CallReport> gathered;
    mqtt_edge::ReportLog reports{100'000, 64 << 20};
    std::deque<std::pair<absl::Duration, EdgeFrame::Closed>> closed;
  };

  void OnStart() override;
  void OnKill() override;
  void Tick();
  void OnHello(size_t link);
  void OnLinkLost(size_t link);
  void OnCall(size_t link, const HubFrame::Call& call);
  void OnOpened(size_t link, const HubFrame::Opened& opened);
  void Flush();
  // Whether it makes one of the mistakes that need Overhear.
  bool overhears() const;
  void Overhear(Client& client, const std::string& bytes);
  Client* Find(const Stream* stream);
  Client* FindSession(uint64_t session);
  // Lets something happen to the connection and sends what it has to say.
  template <typename Event>
  void With(Client& client, Event event);

  mqtt_edge::LinkIndex PickLink(std::string_view device_id) override;
  void OpenSession(mqtt_edge::LinkIndex link, const mqtt_edge::OpenRequest& request) override;
  void ChangeSubscriptions(mqtt_edge::LinkIndex link, mqtt_edge::Subscriptions subscriptions, bool durable,
                           uint32_t session_expiry_seconds) override;
  void ReadTwin(mqtt_edge::LinkIndex, std::string_view, std::string_view) override {}
  void PatchReported(mqtt_edge::LinkIndex, std::string_view, std::string_view, int64_t, std::string_view) override {}
  void AbandonOpen(mqtt_edge::LinkIndex link, std::string_view device_id) override;
  void CloseSession(std::string_view device_id, int64_t epoch, std::optional<uint32_t> session_expiry_seconds) override;
  void CloseAt(size_t link, uint64_t session, std::string_view device_id, int64_t epoch);
  void GiveUpOpens(size_t link);
  void ReportCall(mqtt_edge::LinkIndex link, mqtt_edge::CallReport report) override;
  mqtt_edge::SinkAnswer PassTelemetry(const mqtt_edge::TelemetryMessage&) override {
    return mqtt_edge::SinkAnswer::kNoSink;
  }

  World& world_;
  const mqtt_edge::ConnectionLimits limits_;
  std::vector<std::unique_ptr<Dialer>> dialers_;  // To hubs, by index.
  std::vector<std::unique_ptr<Link>> links_;
  std::map<uint64_t, std::unique_ptr<Client>> clients_;  // By session.
  std::map<uint64_t, std::pair<size_t, std::string>> abandoned_;
  struct Overheard {
    int device = 0;
    mqtt_edge::LinkIndex link = mqtt_edge::kNoLink;
    int64_t epoch = 0;
    uint64_t session = 0;
  };
  std::map<uint64_t, Overheard> overheard_;  // All calls, for Overhear.
  uint64_t last_session_ = 0;
  Client* current_ = nullptr;
  int ticks_ = 0;
};

}  // namespace fleetcast::sim
