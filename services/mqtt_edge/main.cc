// The process fleetcast-mqtt-edge: terminates device connections.
#include <memory>
#include <stop_token>

#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/process.h"
#include "services/mqtt_edge/config.h"
#include "services/mqtt_edge/edge.h"

namespace fleetcast::mqtt_edge {
namespace {

class EdgeProcess final : public rpc::Application {
 public:
  void Declare(config::Settings& settings) override { config_.Declare(settings); }

  absl::Status Build(rpc::Process& process) override {
    process.SetReady(false);  // Until device_connection was reached once; later outages are not a reason to go away.
    FLEETCAST_ASSIGN_OR_RETURN(edge_, Edge::Create(config_, process.metrics(), SystemClock(), SystemRandom(),
                                                   {.set_ready = [&process](bool ready) { process.SetReady(ready); },
                                                    .drain_delay = process.drain_delay()}));
    return absl::OkStatus();
  }

  void Started() override { edge_->Start(); }
  void Drain(const std::stop_token& hurry) override { edge_->Drain(hurry); }
  void Stop() override { edge_->Stop(); }
  void Reload() override { edge_->ReloadTls(); }

 private:
  Config config_;
  std::unique_ptr<Edge> edge_;
};

}  // namespace
}  // namespace fleetcast::mqtt_edge

int main(int argc, char** argv) {
  return fleetcast::rpc::RunProcess(
      {.name = "fleetcast-mqtt-edge", .summary = "Terminates device connections: TLS, MQTT"},
      std::make_unique<fleetcast::mqtt_edge::EdgeProcess>(), argc, argv);
}
