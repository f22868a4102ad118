// The life of a process: configure, build, serve, drain, stop. Each service's main.cc is an Application and one call:
//
//   class TwinProcess final : public fleetcast::rpc::Application {
//    public:
//     void Declare(config::Settings& settings) override { config_.Declare(settings); }
//     absl::Status Build(rpc::Process& process) override {
//       FLEETCAST_ASSIGN_OR_RETURN(pool_, postgres::Pool::Connect(config_.postgres, process.metrics()));
//       service_ = std::make_unique<TwinService>(*pool_, workers_);
//       process.Serve(pb::TwinService::service_full_name(), service_.get());
//       return absl::OkStatus();
//     }
//     void Stop() override { feed_->Stop(); }
//    …
//   };
//   int main(int argc, char** argv) {
//     return fleetcast::rpc::RunProcess({.name = "fleetcast-twin", .summary = "Devices and twins"},
//                                       std::make_unique<TwinProcess>(), argc, argv);
//   }
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/config/config.h"
#include "libs/telemetry/metrics.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace fleetcast::rpc {

struct ProcessInfo {
  std::string name = {};     // Of the binary; service name in logs and traces.
  std::string summary = {};  // One line for --help.
};

// What an application may use of the process it lives in. Thread-safe unless said otherwise.
class Process {
 public:
  virtual ~Process() = default;

  // In Build only: serves `service`, which must live as long as the application. `name` is its service_full_name().
  virtual void Serve(std::string_view name, grpc::Service* service) = 0;
  // In Build only: all work is done (a migration, for instance); do not serve, exit with 0.
  virtual void ExitAfterBuild() = 0;

  // Makes health checks say SERVING or NOT_SERVING after Build; SERVING unless told. Draining wins.
  virtual void SetReady(bool ready) = 0;
  // Begins an orderly stop because the process cannot do its work any more; it exits with 1. `why` is logged.
  virtual void Fail(const absl::Status& why) = 0;

  // How long it goes on taking work after health checks have said no, on SIGTERM (--drain-delay).
  virtual absl::Duration drain_delay() const = 0;

  virtual telemetry::Metrics& metrics() = 0;
  virtual const std::string& name() const = 0;
};

// The parts of one process. All calls come from the main thread, in the order below, except Reload during Drain. It is
// destroyed before the metrics of the process, also when Build failed half-way: destructors must be able to stop what
// was started.
class Application {
 public:
  virtual ~Application() = default;

  // Declares the settings besides the common ones (RunProcess).
  virtual void Declare(config::Settings& settings) = 0;
  // Connects and builds everything; registers services. An error is logged and the process exits: with 78 for
  // INVALID_ARGUMENT (configuration that only shows when used), else with 1.
  virtual absl::Status Build(Process& process) = 0;
  // The server answers; start loops that need it. Default: nothing.
  virtual void Started() {}
  // Health checks say NOT_SERVING and the drain delay is over: take no new work (leases, connections), finish what is
  // open. `hurry` is requested when another signal comes meanwhile: finish at once. Default: nothing.
  virtual void Drain(const std::stop_token& /*hurry*/) {}
  // SIGHUP came, at any time between Started and Stop, on another thread while Drain runs: read files that can be taken
  // without a restart again. Default: nothing.
  virtual void Reload() {}
  // The server is down, no RPC is open: stop loops and join. Default: nothing.
  virtual void Stop() {}
};

// Runs `application` until SIGTERM or SIGINT, destroys it and returns the exit code of the process.
//
// Common settings: --listen (gRPC, host:port), --metrics-listen (HTTP /metrics; empty = off), --log-level
// (debug|info|warning|error), --log-format (json|console), --drain-delay, --drain-timeout, and the standard OTEL_*
// variables (libs/telemetry/trace.h).
//
// On the first signal: health says NOT_SERVING; wait the drain delay, so that clients move away (a second signal cuts
// it short); Application::Drain (a further signal asks it to hurry); refuse new RPCs and wait for open ones up to the
// drain timeout; Application::Stop; flush telemetry; exit 0. SIGUSR1 switches debug logging on and off; SIGHUP is
// Application::Reload.
int RunProcess(const ProcessInfo& info, std::unique_ptr<Application> application, int argc, char** argv);

}  // namespace fleetcast::rpc
