// For tests: device_connection as the edge sees it, complete enough for a fleet: it accepts devices, remembers their
// subscriptions, answers twin requests, and sends what the test wants.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fleetcast/internal/v1/edge_link.grpc.pb.h"
#include "libs/base/mutex.h"
#include "libs/rpc/server.h"
#include "libs/rpc/server_stream.h"
#include "libs/telemetry/metrics.h"

namespace fleetcast::mqtt_edge {

namespace pb = ::fleetcast::internal::v1;

// Thread-safe. Devices whose id starts with "refused" are not authorized ("refused-late" is told a second later), those
// that start with "silent" get no answer.
class FakeHub final : public pb::EdgeLinkService::CallbackService {
 public:
  struct Session {
    uint64_t session = 0;
    int64_t epoch = 0;
    uint32_t subscriptions = 0;
    pb::OpenSession open;
  };

  FakeHub();
  ~FakeHub() override;

  // Stops listening, and listens again on the same port.
  void GoAway();
  void ComeBack();
  std::string address() const;

  bool is_attached() const EXCLUDES(mutex_);
  int heartbeats() const EXCLUDES(mutex_);
  // The newest session of the device; session 0 when there was none.
  Session Find(const std::string& device_id) const EXCLUDES(mutex_);
  std::vector<pb::CallReport> reports() const EXCLUDES(mutex_);
  std::vector<pb::SessionClosed> closed() const EXCLUDES(mutex_);
  // Sessions announced since the last attach.
  std::vector<pb::LiveSession> announced() const EXCLUDES(mutex_);
  std::vector<pb::ReportedPatch> patches() const EXCLUDES(mutex_);
  std::vector<int64_t> active_epochs() const EXCLUDES(mutex_);
  // What the edge said of itself last.
  pb::EdgeStatus status() const EXCLUDES(mutex_);

  void Send(pb::AttachResponse message) EXCLUDES(mutex_);
  // Calls `method` on the device's newest session.
  void Call(const std::string& device_id, uint64_t call_id, const std::string& method, const std::string& payload);
  // Says that the answer of this report is taken.
  void TakeAnswer(const pb::CallReport& report);
  // Whether reports are acknowledged; they are unless told.
  void SetAcknowledging(bool acknowledging) EXCLUDES(mutex_);

 private:
  using Stream = rpc::BidiServerStream<pb::AttachRequest, pb::AttachResponse>;

  grpc::ServerBidiReactor<pb::AttachRequest, pb::AttachResponse>* Attach(grpc::CallbackServerContext* context) override;
  void Receive(const pb::AttachRequest& request) EXCLUDES(mutex_);
  void Open(const pb::OpenSession& open, pb::AttachResponse& response) REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::shared_ptr<Stream> stream_ GUARDED_BY(mutex_);
  std::map<std::string, Session> sessions_ GUARDED_BY(mutex_);
  std::map<std::string, uint32_t> stored_ GUARDED_BY(mutex_);
  std::vector<pb::CallReport> reports_ GUARDED_BY(mutex_);
  std::vector<pb::SessionClosed> closed_ GUARDED_BY(mutex_);
  std::vector<pb::LiveSession> announced_ GUARDED_BY(mutex_);
  std::vector<pb::ReportedPatch> patches_ GUARDED_BY(mutex_);
  std::vector<int64_t> active_epochs_ GUARDED_BY(mutex_);
  pb::EdgeStatus status_ GUARDED_BY(mutex_);
  int64_t last_epoch_ GUARDED_BY(mutex_) = 0;
  int heartbeats_ GUARDED_BY(mutex_) = 0;
  bool is_acknowledging_ GUARDED_BY(mutex_) = true;
  const int port_;
  telemetry::Metrics metrics_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace fleetcast::mqtt_edge
