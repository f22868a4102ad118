// For tests: the services over gRPC, on a private PostgreSQL, with a device_connection that remembers what it hears.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fleetcast/internal/v1/device_feed.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/server.h"
#include "libs/rpc/server_stream.h"
#include "libs/rpc/status.h"
#include "libs/testing/private_postgres.h"
#include "libs/testing/status_matchers.h"
#include "services/twin/parts.h"
#include "services/twin/store/schema.h"

namespace fleetcast::twin {

// A device_connection that only remembers what it hears.
class FakeConsumer final : public internal::v1::DeviceFeedService::CallbackService {
 public:
  using Stream = rpc::BidiServerStream<internal::v1::PublishRequest, internal::v1::PublishResponse>;

  grpc::ServerBidiReactor<internal::v1::PublishRequest, internal::v1::PublishResponse>* Publish(
      grpc::CallbackServerContext* context) override {
    auto stream = Stream::Create();
    return stream->Start(context, {.on_message =
                                       [this, stream](internal::v1::PublishRequest&& batch) {
                                         {
                                           MutexLock lock(mutex_);
                                           for (const auto& change : batch.changes())
                                             heard_.push_back(Describe(change));
                                         }
                                         internal::v1::PublishResponse response;
                                         response.set_acknowledged_batch(batch.batch());
                                         stream->TrySend(std::move(response));
                                       },
                                   .on_closed = nullptr});
  }

  std::vector<std::string> heard() {
    MutexLock lock(mutex_);
    return heard_;
  }

 private:
  static std::string Describe(const internal::v1::DeviceChangeEvent& change) {
    if (change.has_desired()) return change.device_id() + " " + change.desired().patch();
    return change.device_id() + (change.record().disconnect() ? " disconnect" : " record");
  }

  Mutex mutex_;
  std::vector<std::string> heard_ GUARDED_BY(mutex_);
};

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    config_.postgres = testing::PrivatePostgres::Shared().NewDatabase();
    config_.device_connection_addresses = {absl::StrCat("127.0.0.1:", Start({{"feed", &consumer_}})->port())};
    stores_ = std::make_unique<Stores>(config_, KeyVault::ForTests(), metrics_);
    EXPECT_THAT(postgres::Migrate(stores_->pool, absl::Now() + absl::Seconds(20), kSchema, SchemaMigrations()),
                testing::IsOk());
    feed_ = *ChangeFeed::Make({config_.device_connection_addresses}, stores_->feed, stores_->slices, SystemClock(),
                              metrics_);
    services_ = std::make_unique<Services>(config_, *stores_, *feed_);
    feed_->Start();
    rpc::Server* server = Start({{"devices", &services_->devices},
                                 {"modules", &services_->modules},
                                 {"twins", &services_->twins},
                                 {"records", &services_->records},
                                 {"targets", &services_->targets},
                                 {"writes", &services_->writes}});
    channel_ = *rpc::MakeChannel(absl::StrCat("127.0.0.1:", server->port()), {});
    devices_ = registry::v1::DeviceService::NewStub(channel_);
    modules_ = registry::v1::ModuleService::NewStub(channel_);
    twins_ = twins::v1::TwinService::NewStub(channel_);
  }

  ~ServiceTest() override {
    feed_->Stop();
    servers_.clear();
  }

  rpc::Server* Start(const std::vector<rpc::ServedService>& services) {
    auto server = rpc::Server::Start({.listen = "127.0.0.1:0"}, services, metrics_);
    EXPECT_THAT(server, testing::IsOk());
    servers_.push_back(*std::move(server));
    return servers_.back().get();
  }

  // Calls `method` of `stub` and gives the response.
  template <typename Response, typename Stub, typename Request>
  absl::StatusOr<Response> Call(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    Response response;
    const absl::Status status = rpc::FromGrpc((stub.*method)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  absl::StatusOr<registry::v1::Device> Create(const std::string& id,
                                              const std::function<void(registry::v1::Device&)>& change = {}) {
    registry::v1::CreateDeviceRequest request;
    request.mutable_device()->set_id(id);
    if (change) change(*request.mutable_device());
    auto response = Call(*devices_, &registry::v1::DeviceService::Stub::CreateDevice, request);
    if (!response.ok()) return response.status();
    return response->device();
  }

  absl::StatusOr<twins::v1::Twin> Patch(const std::string& id, const std::string& tags, const std::string& desired,
                                        const std::string& if_match = "") {
    twins::v1::PatchTwinRequest request;
    request.set_device_id(id);
    request.set_tags_patch(tags);
    request.set_desired_patch(desired);
    request.set_if_match(if_match);
    auto response = Call(*twins_, &twins::v1::TwinService::Stub::PatchTwin, request);
    if (!response.ok()) return response.status();
    return response->twin();
  }

  absl::StatusOr<twins::v1::QueryTwinsResponse> Query(const std::string& text, int page_size = 0,
                                                      const std::string& token = "") {
    twins::v1::QueryTwinsRequest request;
    request.set_query(text);
    request.set_page_size(page_size);
    request.set_page_token(token);
    return Call(*twins_, &twins::v1::TwinService::Stub::QueryTwins, request);
  }

  Config config_;
  telemetry::Metrics metrics_;
  FakeConsumer consumer_;
  std::vector<std::unique_ptr<rpc::Server>> servers_;
  std::unique_ptr<Stores> stores_;
  std::unique_ptr<ChangeFeed> feed_;
  std::unique_ptr<Services> services_;
  std::shared_ptr<grpc::ChannelInterface> channel_;
  std::unique_ptr<registry::v1::DeviceService::Stub> devices_;
  std::unique_ptr<registry::v1::ModuleService::Stub> modules_;
  std::unique_ptr<twins::v1::TwinService::Stub> twins_;
};

}  // namespace fleetcast::twin
