// A process around the echo service: what main.cc of a service looks like.
#include <memory>
#include <stop_token>

#include "libs/base/clock.h"
#include "libs/rpc/process.h"
#include "libs/rpc/testing/echo_service.h"
#include "libs/telemetry/log.h"

namespace fleetcast::rpc::testing {
namespace {

class EchoProcess final : public Application {
 public:
  void Declare(config::Settings& settings) override {
    settings.Number("workers", &workers_, {.min = 1, .max = 64}, "Handler threads");
    settings.Flag("migrate", &migrate_, "Only migrate, then exit");
    settings.Time("drain-for", &drain_for_, {}, "How long draining takes, unless somebody is in a hurry");
    settings.Flag("fail-late", &fail_late_, "Give up right after the start");
  }

  absl::Status Build(Process& process) override {
    process_ = &process;
    if (migrate_) process.ExitAfterBuild();
    if (workers_ == 13) return absl::InvalidArgumentError("13 workers bring bad luck");
    if (workers_ == 14) return absl::UnavailableError("the database is gone");
    pool_ = std::make_unique<WorkerPool>(workers_, /*queue_limit=*/100);
    service_ = std::make_unique<EchoServiceImpl>(*pool_);
    process.Serve(EchoService::service_full_name(), service_.get());
    return absl::OkStatus();
  }

  void Started() override {
    if (fail_late_) process_->Fail(absl::DataLossError("on purpose"));
  }
  void Drain(const std::stop_token& hurry) override {
    service_->CloseChats(absl::UnavailableError("draining"));
    FLEETCAST_LOG(kInfo, "drain was called");
    SystemClock().Sleep(drain_for_, hurry);
  }
  void Reload() override { FLEETCAST_LOG(kInfo, "reload was called"); }
  void Stop() override { FLEETCAST_LOG(kInfo, "stop was called"); }

 private:
  int workers_ = 2;
  absl::Duration drain_for_ = absl::ZeroDuration();
  bool migrate_ = false;
  bool fail_late_ = false;
  Process* process_ = nullptr;
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<EchoServiceImpl> service_;
};

}  // namespace
}  // namespace fleetcast::rpc::testing

int main(int argc, char** argv) {
  using fleetcast::rpc::testing::EchoProcess;
  return fleetcast::rpc::RunProcess({.name = "echo-process", .summary = "answers what it hears"},
                                    std::make_unique<EchoProcess>(), argc, argv);
}
