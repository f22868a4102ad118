#include "libs/rpc/process.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "grpc/support/log.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/config/version.h"
#include "libs/rpc/guard.h"
#include "libs/rpc/server.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/trace.h"

namespace fleetcast::rpc {
namespace {

constexpr int kExitFailure = 1;
constexpr absl::Duration kSignalCheck = absl::Milliseconds(20);  // How long a drain that is over waits for us at most.
constexpr absl::Duration kFlushLimit = absl::Seconds(3);         // For the last spans.

// The settings that all processes share.
struct CommonConfig {
  std::string listen = "127.0.0.1:50051";
  std::string metrics_listen;
  std::string log_level = "info";
  std::string log_format = "json";
  absl::Duration drain_delay = absl::ZeroDuration();
  absl::Duration drain_timeout = absl::Seconds(20);
  telemetry::TraceOptions trace;

  void Declare(const std::string& name, const config::Environment& environment, config::Settings& settings) {
    settings.Text("listen", &listen, {.required = true}, "Address for gRPC, host:port; port 0 takes a free one");
    settings.Text("metrics-listen", &metrics_listen, {}, "Address for GET /metrics, host:port; empty = off");
    settings.Text("log-level", &log_level, {.one_of = {"debug", "info", "warning", "error"}}, "Least level to log");
    settings.Text("log-format", &log_format, {.one_of = {"json", "console"}}, "JSON lines, or lines for people");
    settings.Time("drain-delay", &drain_delay, {.max = absl::Minutes(5)},
                  "On SIGTERM: how long to serve on while health says NOT_SERVING, so that clients move away");
    settings.Time("drain-timeout", &drain_timeout, {.max = absl::Minutes(10)},
                  "On SIGTERM: how long to wait for open calls before they are cancelled");
    settings.Rule([this] { return Complain("--listen", listen); });
    settings.Rule([this] { return metrics_listen.empty() ? "" : Complain("--metrics-listen", metrics_listen); });
    settings.Rule([this, name, environment] {
      std::vector<std::string> mistakes;
      trace = telemetry::ReadTraceOptions(name, environment, &mistakes);
      trace.version = config::Version();
      return absl::StrJoin(mistakes, "\n  ");
    });
  }

  static std::string Complain(absl::string_view flag, const std::string& address) {
    const absl::Status status = ValidateAddress(address, /*listening=*/true);
    return status.ok() ? "" : absl::StrCat(flag, ": ", status.message());
  }
};

// SIGTERM, SIGINT, SIGUSR1 and SIGHUP, taken by the main thread when it asks for them. Build it before any other
// thread.
class Signals {
 public:
  Signals() {
    signal(SIGPIPE, SIG_IGN);  // A peer that went away is an error of write(), not the end of us.
    sigemptyset(&set_);
    for (const int number : {SIGTERM, SIGINT, SIGUSR1, SIGHUP}) sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }

  // The next signal to end within `limit`; nullopt when none came. SIGUSR1 is served here, SIGHUP by `application`.
  std::optional<int> WaitForEnd(Application& application, absl::Duration limit) {
    const absl::Duration until = SystemClock().Monotonic() + limit;
    while (true) {
      const absl::Duration left = until - SystemClock().Monotonic();
      if (left <= absl::ZeroDuration()) return std::nullopt;
      const timespec wait = absl::ToTimespec(std::min(left, absl::Hours(1)));
      const int number = sigtimedwait(&set_, nullptr, &wait);
      if (number == SIGTERM || number == SIGINT) return number;
      if (number == SIGUSR1) ToggleDebug();
      if (number == SIGHUP) application.Reload();
    }
  }

 private:
  void ToggleDebug() {
    debug_ = !debug_;
    telemetry::SetLogLevel(debug_ ? telemetry::LogLevel::kDebug : telemetry::LogLevel::kInfo);
    FLEETCAST_LOG(kInfo, "log level changed", {{"debug", debug_}});
  }

  sigset_t set_;
  bool debug_ = false;
};

class RunningProcess final : public Process {
 public:
  RunningProcess(const ProcessInfo& info, const CommonConfig& config) : name_(info.name), config_(config) {
    metrics_.NewGauges("build_info", "The build that runs", {"service", "version"})
        .With({name_, config::Version()})
        .Set(1);
  }

  void Serve(std::string_view name, grpc::Service* service) override {
    services_.push_back({std::string(name), service});
  }

  void ExitAfterBuild() override { exit_after_build_ = true; }
  bool exits_after_build() const { return exit_after_build_; }

  void SetReady(bool ready) override {
    MutexLock lock(mutex_);
    ready_ = ready;
    ApplyReadiness();
  }

  void Fail(const absl::Status& why) override {
    FLEETCAST_LOG(kError, "the process cannot go on", {{"error", why}});
    if (!failed_.exchange(true)) kill(getpid(), SIGTERM);
  }
  bool failed() const { return failed_; }

  absl::Duration drain_delay() const override { return config_.drain_delay; }
  telemetry::Metrics& metrics() override { return metrics_; }
  const std::string& name() const override { return name_; }

  // Opens /metrics; before Build, so that a slow start can be watched.
  absl::Status StartMetrics() {
    if (config_.metrics_listen.empty()) return absl::OkStatus();
    FLEETCAST_ASSIGN_OR_RETURN(metrics_server_, telemetry::MetricsServer::Start(config_.metrics_listen, metrics_));
    return absl::OkStatus();
  }

  absl::Status StartServer() {
    FLEETCAST_ASSIGN_OR_RETURN(std::unique_ptr<Server> server,
                               Server::Start({.listen = config_.listen}, services_, metrics_));
    FLEETCAST_LOG(kInfo, "serving",
                  {{"listen", config_.listen},
                   {"port", server->port()},
                   {"version", config::Version()},
                   {"metrics_port", metrics_server_ == nullptr ? 0 : metrics_server_->port()}});
    MutexLock lock(mutex_);
    server_ = std::move(server);
    ApplyReadiness();
    return absl::OkStatus();
  }

  void StopServing() {
    MutexLock lock(mutex_);
    draining_ = true;
    ApplyReadiness();
  }

  // Returns when no RPC is open. The server goes before the services that it points to.
  void ShutdownServer() {
    server_->Shutdown(config_.drain_timeout);
    MutexLock lock(mutex_);
    server_.reset();
  }

 private:
  void ApplyReadiness() REQUIRES(mutex_) {
    if (server_ != nullptr) server_->SetServing(ready_ && !draining_);
  }

  const std::string name_;
  const CommonConfig& config_;
  telemetry::Metrics metrics_;
  std::vector<ServedService> services_;
  bool exit_after_build_ = false;
  std::atomic<bool> failed_ = false;
  std::unique_ptr<telemetry::MetricsServer> metrics_server_;
  Mutex mutex_;
  bool ready_ GUARDED_BY(mutex_) = true;
  bool draining_ GUARDED_BY(mutex_) = false;
  std::unique_ptr<Server> server_;
};

// gRPC's own complaints become events of ours: warnings, since whoever called hears of the error too.
void LogFromGrpc(gpr_log_func_args* event) {
  if (event->severity != GPR_LOG_SEVERITY_ERROR) return;
  FLEETCAST_LOG_EVERY(kWarning, absl::Seconds(1), "gRPC has trouble",
                      {{"what", event->message}, {"file", event->file}});
}

int ExitCode(const absl::Status& status) {
  return absl::IsInvalidArgument(status) ? config::kExitBadConfig : kExitFailure;
}

// Drains; a signal that comes meanwhile asks for hurry.
void Drain(Application& application, Signals& signals) {
  std::stop_source hurry;
  const std::jthread watch([&](const std::stop_token& done) {
    while (!done.stop_requested()) {
      if (!signals.WaitForEnd(application, kSignalCheck).has_value()) continue;
      FLEETCAST_LOG(kWarning, "another signal: draining at once");
      hurry.request_stop();
    }
  });
  application.Drain(hurry.get_token());
}

// From building to the end of draining.
int Live(Application& application, RunningProcess& process, const CommonConfig& config, Signals& signals) {
  const absl::Status built = Guarded([&]() -> absl::Status {
    FLEETCAST_RETURN_IF_ERROR(process.StartMetrics());
    FLEETCAST_RETURN_IF_ERROR(application.Build(process));
    return process.exits_after_build() ? absl::OkStatus() : process.StartServer();
  });
  if (!built.ok()) {
    FLEETCAST_LOG(kError, "cannot start", {{"error", built}});
    return ExitCode(built);
  }
  if (process.exits_after_build()) return 0;

  application.Started();
  signals.WaitForEnd(application, absl::InfiniteDuration());
  FLEETCAST_LOG(kInfo, "draining", {{"delay", config.drain_delay}, {"timeout", config.drain_timeout}});
  process.StopServing();
  if (!process.failed()) signals.WaitForEnd(application, config.drain_delay);
  Drain(application, signals);
  process.ShutdownServer();
  application.Stop();
  FLEETCAST_LOG(kInfo, "stopped");
  return process.failed() ? kExitFailure : 0;
}

}  // namespace

int RunProcess(const ProcessInfo& info, std::unique_ptr<Application> application, int argc, char** argv) {
  Signals signals;
  CommonConfig config;
  const config::Environment environment = config::ProcessEnvironment();
  config::Settings settings(info.name, info.summary);
  config.Declare(info.name, environment, settings);
  application->Declare(settings);
  const config::ParseResult parsed =
      settings.Parse(std::vector<std::string>(argv + std::min(argc, 1), argv + argc), environment);
  std::fputs(parsed.out.c_str(), stdout);
  std::fputs(parsed.err.c_str(), stderr);
  if (!parsed.run) return parsed.exit_code;

  telemetry::InitLogging(
      {.service = info.name,
       .level = telemetry::ParseLogLevel(config.log_level).value_or(telemetry::LogLevel::kInfo),
       .format = config.log_format == "console" ? telemetry::LogFormat::kConsole : telemetry::LogFormat::kJson});
  gpr_set_log_function(LogFromGrpc);
  telemetry::InitTracing(config.trace);
  RunningProcess process(info, config);
  const int exit_code = Live(*application, process, config, signals);
  application.reset();
  telemetry::ShutdownTracing(kFlushLimit);
  return exit_code;
}

}  // namespace fleetcast::rpc
