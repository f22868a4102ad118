// fleetcast-rest-gateway: the HTTPS surface that the Azure IoT service SDKs speak.
#include <memory>
#include <stop_token>
#include <vector>

#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/process.h"
#include "services/rest_gateway/backends.h"
#include "services/rest_gateway/config.h"
#include "services/rest_gateway/front.h"

namespace {

using namespace fleetcast;  // NOLINT: the one function of this file.

class RestGateway final : public rpc::Application {
 public:
  void Declare(config::Settings& settings) override { config_.Declare(settings); }

  absl::Status Build(rpc::Process& process) override {
    const rpc::ChannelOptions large = {.message_bytes_max = rest_gateway::kPageBytesMax};
    FLEETCAST_ASSIGN_OR_RETURN(const auto jobs, rpc::MakeChannel(config_.job_api_addresses, large));
    FLEETCAST_ASSIGN_OR_RETURN(const auto twins, rpc::MakeChannel(config_.twin_addresses, large));
    std::vector<rest_gateway::Backends::Channel> methods;
    for (int i = 0; i < rest_gateway::kMethodConnections; ++i) {
      FLEETCAST_ASSIGN_OR_RETURN(methods.emplace_back(),
                                 rpc::MakeChannel(config_.method_addresses, {.own_connection = true}));
    }
    backends_ = std::make_unique<rest_gateway::Backends>(jobs, twins, methods);
    FLEETCAST_ASSIGN_OR_RETURN(front_, rest_gateway::Front::Start(config_, *backends_, process.metrics()));
    return absl::OkStatus();
  }

  void Reload() override { front_->ReloadTls(/*demand=*/true); }
  void Drain(const std::stop_token&) override { front_->Drain(); }
  void Stop() override { front_.reset(); }

 private:
  rest_gateway::Config config_;
  std::unique_ptr<rest_gateway::Backends> backends_;
  std::unique_ptr<rest_gateway::Front> front_;
};

}  // namespace

int main(int argc, char** argv) {
  return rpc::RunProcess({.name = "fleetcast-rest-gateway", .summary = "The HTTPS surface of IoT Hub's service SDKs"},
                         std::make_unique<RestGateway>(), argc, argv);
}
