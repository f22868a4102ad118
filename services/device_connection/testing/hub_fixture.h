// A whole device_connection on a real Redis, with a twin, edges and dispatchers that the test plays.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fleetcast/internal/v1/delivery.grpc.pb.h"
#include "fleetcast/internal/v1/device_feed.grpc.pb.h"
#include "fleetcast/internal/v1/device_record.grpc.pb.h"
#include "fleetcast/internal/v1/edge_link.grpc.pb.h"
#include "fleetcast/sessions/v1/edge.grpc.pb.h"
#include "fleetcast/sessions/v1/session.grpc.pb.h"
#include "gtest/gtest.h"
#include "libs/auth/keys.h"
#include "libs/auth/policies.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/redis/client.h"
#include "libs/rpc/server.h"
#include "libs/telemetry/metrics.h"
#include "libs/testing/private_redis.h"
#include "libs/testing/wait_for.h"
#include "services/device_connection/config.h"
#include "services/device_connection/hub.h"

namespace fleetcast::device_connection::testing {

namespace pb = ::fleetcast::internal::v1;

// The twin service, as far as device_connection sees it. Thread-safe.
class FakeTwin final : public pb::DeviceRecordService::Service {
 public:
  // Registers a device for tokens of `key`.
  void AddDevice(const std::string& device_id, const auth::Key& key);
  void SetDisabled(const std::string& device_id, bool disabled);
  void RemoveDevice(const std::string& device_id);
  void Change(const std::string& device_id, const std::function<void(pb::DeviceRecord&)>& change);
  // While true, every call is UNAVAILABLE.
  void SetAway(bool away);
  // Runs once, after the next lookup has read the records and before it is answered.
  void DuringNextLookup(std::function<void()> action);
  // While true, SaveSubscriptions waits, ten seconds at most.
  void HoldSaves(bool hold);

  std::optional<pb::DeviceRecord> Record(const std::string& device_id);
  // What was recorded last; nullopt = never.
  std::optional<pb::PresenceChange> Presence(const std::string& device_id);
  int lookups();
  // Of the last read of twins; empty when there was none.
  std::string read_traceparent();
  int64_t generation();

  grpc::Status LookupDevices(grpc::ServerContext*, const pb::LookupDevicesRequest*,
                             pb::LookupDevicesResponse*) override;
  grpc::Status SaveSubscriptions(grpc::ServerContext*, const pb::SaveSubscriptionsRequest*,
                                 pb::SaveSubscriptionsResponse*) override;
  grpc::Status ReadDeviceTwins(grpc::ServerContext*, const pb::ReadDeviceTwinsRequest*,
                               pb::ReadDeviceTwinsResponse*) override;
  grpc::Status PatchReported(grpc::ServerContext*, const pb::PatchReportedRequest*,
                             pb::PatchReportedResponse*) override;
  grpc::Status RecordPresence(grpc::ServerContext*, const pb::RecordPresenceRequest*,
                              pb::RecordPresenceResponse*) override;
  grpc::Status RaiseSessionGeneration(grpc::ServerContext*, const pb::RaiseSessionGenerationRequest*,
                                      pb::RaiseSessionGenerationResponse*) override;

 private:
  grpc::Status Enter() REQUIRES(mutex_);

  Mutex mutex_;
  std::map<std::string, pb::DeviceRecord> records_ GUARDED_BY(mutex_);
  std::map<std::string, pb::PresenceChange> presence_ GUARDED_BY(mutex_);
  bool away_ GUARDED_BY(mutex_) = false;
  std::function<void()> during_lookup_ GUARDED_BY(mutex_);
  bool holds_saves_ GUARDED_BY(mutex_) = false;
  CondVar saves_released_;
  int lookups_ GUARDED_BY(mutex_) = 0;
  std::string read_traceparent_ GUARDED_BY(mutex_);
  int64_t generation_ GUARDED_BY(mutex_) = 0;
};

// The client's end of a bidi stream: writes when told, gathers what it reads. Cancelled by the destructor. Thread-safe.
template <typename Request, typename Response>
class PlayedStream {
 public:
  using Stream = grpc::ClientReaderWriter<Request, Response>;

  explicit PlayedStream(const std::function<std::unique_ptr<Stream>(grpc::ClientContext*)>& open)
      : stream_(open(&context_)), reader_([this] { Read(); }) {}
  ~PlayedStream() { context_.TryCancel(); }

  // gRPC allows one write at a time.
  bool Write(const Request& request) {
    MutexLock lock(write_mutex_);
    return stream_->Write(request);
  }

  // Waits until one of the messages read so far makes `look` answer something. Messages stay.
  template <typename Answer>
  std::optional<Answer> Await(const std::function<std::optional<Answer>(const Response&)>& look,
                              absl::Duration limit = fleetcast::testing::kPatience) {
    std::unique_lock<Mutex> lock(mutex_);
    std::optional<Answer> found;
    read_.wait_for(lock, absl::ToChronoNanoseconds(limit), [&] {
      for (size_t i = 0; i < responses_.size() && !found.has_value(); ++i) found = look(responses_[i]);
      return found.has_value();
    });
    return found;
  }
  // True when the server has ended the stream.
  bool AwaitEnd(absl::Duration limit = fleetcast::testing::kPatience) {
    std::unique_lock<Mutex> lock(mutex_);
    return read_.wait_for(lock, absl::ToChronoNanoseconds(limit), [&] { return ended_; });
  }
  void Cancel() { context_.TryCancel(); }

 private:
  void Read() {
    Response response;
    while (stream_->Read(&response)) {
      {
        MutexLock lock(mutex_);
        responses_.push_back(response);
      }
      read_.notify_all();
    }
    {
      MutexLock lock(mutex_);
      ended_ = true;
    }
    read_.notify_all();
  }

  grpc::ClientContext context_;
  const std::unique_ptr<Stream> stream_;
  Mutex write_mutex_;
  Mutex mutex_;
  CondVar read_;
  std::vector<Response> responses_ GUARDED_BY(mutex_);
  bool ended_ GUARDED_BY(mutex_) = false;
  std::jthread reader_;
};

// An edge. One attachment; make another one with the same ids to attach again.
class PlayedEdge {
 public:
  // `call_credit`: as in its hello.
  PlayedEdge(pb::EdgeLinkService::Stub& stub, const std::string& edge_id, const std::string& boot_id,
             int64_t call_credit = 0);

  // The result of one attempt to connect.
  pb::OpenSessionResult Open(uint64_t session, const std::string& device_id, const std::string& password,
                             bool clean = false);
  // The same with everything as the test says it, but for who it is.
  pb::OpenSessionResult Open(pb::OpenSession open, const std::string& device_id);
  // Registers subscriptions and waits until they are saved.
  pb::SubscriptionSaved Subscribe(uint64_t session, const std::string& device_id, int64_t epoch, uint32_t bits);
  // `credential`: as the result of its connect said it.
  void Announce(uint64_t session, const std::string& device_id, int64_t epoch, uint32_t bits, uint64_t credential = 0);
  void Close(uint64_t session, const std::string& device_id, int64_t epoch);
  void Heartbeat();
  // A heartbeat with what the edge says of itself.
  void Tell(const pb::EdgeStatus& status);
  void Report(pb::CallReport report);

  // Waits for a call, or for an order to close a session.
  std::optional<pb::MethodCall> AwaitCall(uint64_t call_id);
  bool AwaitDisconnect(uint64_t session, int64_t epoch,
                       pb::DisconnectSession::Reason reason = pb::DisconnectSession::REASON_TAKEN_OVER,
                       absl::Duration limit = fleetcast::testing::kPatience);

  PlayedStream<pb::AttachRequest, pb::AttachResponse>& stream() { return stream_; }

 private:
  PlayedStream<pb::AttachRequest, pb::AttachResponse> stream_;
};

// A method_dispatch.
class PlayedDispatcher {
 public:
  explicit PlayedDispatcher(pb::DeliveryService::Stub& stub);

  void Call(uint64_t call_id, const std::string& device_id);
  void Watch(const std::string& device_id);
  // Waits for an event of the call of this kind.
  std::optional<pb::DeliverEvent> Await(uint64_t call_id, pb::DeliverEvent::EventCase kind);
  // The reason for which a call was not sent; UNSPECIFIED when it does not come.
  pb::NotSentReason AwaitNotSent(uint64_t call_id);
  bool AwaitReady(const std::string& device_id);

  PlayedStream<pb::DeliverRequest, pb::DeliverResponse>& stream() { return stream_; }

 private:
  PlayedStream<pb::DeliverRequest, pb::DeliverResponse> stream_;
};

class HubFixture : public ::testing::Test {
 protected:
  static constexpr char kHost[] = "hub.test.local";
  static constexpr uint32_t kMethods = pb::SUBSCRIPTION_BIT_METHODS;
  static constexpr uint32_t kDesired = pb::SUBSCRIPTION_BIT_DESIRED;

  HubFixture();
  ~HubFixture() override;

  // Starts (again) the hub; stops it as a crash would.
  void StartHub();
  void StopHub();

  std::unique_ptr<PlayedEdge> NewEdge(const std::string& edge_id = "edge-0", char boot = 'a');
  std::unique_ptr<PlayedDispatcher> NewDispatcher();
  // A token of the key of a device or "device/module"; all of these tests have the same key.
  std::string Token(const std::string& device_id) const;
  // Opens a session that must be accepted.
  pb::OpenSessionResult OpenAccepted(PlayedEdge& edge, uint64_t session, const std::string& device_id);
  void FlushRedis();
  // Hands one change of twin to the hub and waits until it is acknowledged.
  void Publish(const pb::DeviceChangeEvent& change);
  // The same for a change of a device's record.
  void PublishRecord(const std::string& device_id, bool disconnect = false);
  bool AwaitPresence(const std::string& device_id, bool connected);

  telemetry::Metrics metrics_;
  const auth::Key key_ = auth::Key::Generate();
  fleetcast::testing::PrivateRedis redis_;
  std::unique_ptr<redis::Client> redis_client_;
  FakeTwin twin_;
  std::unique_ptr<rpc::Server> twin_server_;
  Config config_;
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<pb::EdgeLinkService::Stub> edges_;
  std::unique_ptr<pb::DeliveryService::Stub> deliveries_;
  std::unique_ptr<pb::DeviceFeedService::Stub> feed_;
  std::unique_ptr<sessions::v1::SessionService::Stub> sessions_;
  std::unique_ptr<sessions::v1::EdgeService::Stub> operator_;
};

}  // namespace fleetcast::device_connection::testing
