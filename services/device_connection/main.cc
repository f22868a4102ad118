// device_connection: who is connected, and the way to them. See README.md.

#include <memory>
#include <stop_token>

#include "fleetcast/internal/v1/delivery.grpc.pb.h"
#include "fleetcast/internal/v1/device_feed.grpc.pb.h"
#include "fleetcast/internal/v1/edge_link.grpc.pb.h"
#include "fleetcast/sessions/v1/edge.grpc.pb.h"
#include "fleetcast/sessions/v1/session.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/process.h"
#include "services/device_connection/config.h"
#include "services/device_connection/hub.h"

namespace fleetcast::device_connection {
namespace {

class DeviceConnection final : public rpc::Application {
 public:
  void Declare(config::Settings& settings) override { config_.Declare(settings); }

  absl::Status Build(rpc::Process& process) override {
    FLEETCAST_ASSIGN_OR_RETURN(hub_, Hub::Create(config_, SystemClock(), process.metrics()));
    process.Serve(internal::v1::EdgeLinkService::service_full_name(), &hub_->edge_link_service());
    process.Serve(internal::v1::DeliveryService::service_full_name(), &hub_->delivery_service());
    process.Serve(internal::v1::DeviceFeedService::service_full_name(), &hub_->device_feed_service());
    process.Serve(sessions::v1::SessionService::service_full_name(), &hub_->session_service());
    process.Serve(sessions::v1::EdgeService::service_full_name(), &hub_->edge_service());
    return absl::OkStatus();
  }

  void Drain(const std::stop_token&) override { hub_->Drain(); }

 private:
  Config config_;
  std::unique_ptr<Hub> hub_;
};

}  // namespace
}  // namespace fleetcast::device_connection

int main(int argc, char** argv) {
  return fleetcast::rpc::RunProcess(
      {.name = "fleetcast-device-connection", .summary = "Sessions of devices, and calls to them"},
      std::make_unique<fleetcast::device_connection::DeviceConnection>(), argc, argv);
}
