#include "services/method_dispatch/config.h"

namespace fleetcast::method_dispatch {

void Config::Declare(config::Settings& settings) {
  settings.List("device-connection-addresses", &device_connection_addresses, {.required = true},
                "Every replica of device_connection, host:port");
  settings.Number("calls-max", &calls_max, {.min = 1, .max = 10'000'000}, "Unfinished method calls; more are refused");
  settings.Number("calls-per-device-max", &calls_per_device_max, {.min = 1, .max = 1'000},
                  "Unfinished method calls to one device; more are refused");
  settings.Number("scheduler-credit", &scheduler_credit, {.min = 250, .max = 1'000'000},
                  "Unfinished method calls that one scheduler may have here");
  settings.Time("permit", &permit, {.min = absl::Milliseconds(100), .max = absl::Seconds(10)},
                "How long a direct call may be on its way to the device's socket");
  settings.Rule([this]() -> std::string {
    if (scheduler_credit <= calls_max) return "";
    return "--scheduler-credit must not be larger than --calls-max";
  });
}

}  // namespace fleetcast::method_dispatch
