// method_dispatch: method calls in flight. See README.md.

#include <memory>
#include <vector>

#include "libs/base/status_macros.h"
#include "libs/rpc/process.h"
#include "services/method_dispatch/config.h"
#include "services/method_dispatch/delivery_link.h"
#include "services/method_dispatch/dispatch_service.h"
#include "services/method_dispatch/dispatcher.h"
#include "services/method_dispatch/method_service.h"

namespace fleetcast::method_dispatch {
namespace {

class MethodDispatch final : public rpc::Application {
 public:
  void Declare(config::Settings& settings) override { config_.Declare(settings); }

  absl::Status Build(rpc::Process& process) override {
    PendingLimits limits;
    limits.calls_max = static_cast<size_t>(config_.calls_max);
    limits.calls_per_device_max = static_cast<size_t>(config_.calls_per_device_max);
    limits.permit = config_.permit;
    dispatcher_ = std::make_unique<Dispatcher>(limits, config_.scheduler_credit, SystemClock(), process.metrics());
    methods_ = std::make_unique<MethodService>(*dispatcher_);
    dispatch_ = std::make_unique<DispatchService>(*dispatcher_);
    for (const std::string& address : config_.device_connection_addresses) {
      FLEETCAST_ASSIGN_OR_RETURN(auto link, DeliveryLink::Start(address, *dispatcher_));
      links_.push_back(std::move(link));
    }
    process.Serve(methods::v1::MethodService::service_full_name(), methods_.get());
    process.Serve(pb::MethodDispatchService::service_full_name(), dispatch_.get());
    return absl::OkStatus();
  }

  void Stop() override {
    for (const auto& link : links_) link->Stop();
  }

 private:
  Config config_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<MethodService> methods_;
  std::unique_ptr<DispatchService> dispatch_;
  std::vector<std::unique_ptr<DeliveryLink>> links_;
};

}  // namespace
}  // namespace fleetcast::method_dispatch

int main(int argc, char** argv) {
  return fleetcast::rpc::RunProcess({.name = "fleetcast-method-dispatch", .summary = "Calls methods on devices"},
                                    std::make_unique<fleetcast::method_dispatch::MethodDispatch>(), argc, argv);
}
