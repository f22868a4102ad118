// scheduler: when and how a job runs. See README.md.

#include <unistd.h>

#include <memory>
#include <stop_token>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/schema.h"
#include "libs/postgres/listener.h"
#include "libs/postgres/migrate.h"
#include "libs/postgres/pool.h"
#include "libs/rpc/process.h"
#include "services/scheduler/config.h"
#include "services/scheduler/grpc_effects.h"
#include "services/scheduler/housekeeper.h"
#include "services/scheduler/runner.h"
#include "services/scheduler/starter.h"
#include "services/scheduler/target_client.h"

namespace fleetcast::scheduler {
namespace {

constexpr absl::Duration kSchemaWait = absl::Seconds(60);  // For job_api, which brings the schema up to date.
constexpr absl::Duration kCheckLimit = absl::Seconds(30);
constexpr absl::Duration kCloseLimit = absl::Seconds(2);  // For streams to close.

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "scheduler";
}

class Scheduler final : public rpc::Application {
 public:
  void Declare(config::Settings& settings) override { config_.Declare(settings); }

  absl::Status Build(rpc::Process& process) override {
    const postgres::PoolOptions database{.connection_string = config_.postgres,
                                         .application_name = "fleetcast-scheduler",
                                         .connections = config_.postgres_connections};
    pool_ = std::make_unique<postgres::Pool>(database, process.metrics());
    FLEETCAST_RETURN_IF_ERROR(postgres::AwaitServer(*pool_));
    FLEETCAST_RETURN_IF_ERROR(postgres::CheckServer(*pool_, absl::Now() + kCheckLimit, config_.allow_unsafe_database));
    FLEETCAST_RETURN_IF_ERROR(AwaitSchema());
    store_ = std::make_unique<job_store::PostgresJobStore>(*pool_);
    metrics_ = std::make_unique<SchedulerMetrics>(process.metrics());
    const std::string owner =
        absl::StrCat(config_.owner_name.empty() ? HostName() : config_.owner_name, "/", RandomId());
    FLEETCAST_ASSIGN_OR_RETURN(targets_, TargetClient::Make(config_.twin_addresses));
    FLEETCAST_ASSIGN_OR_RETURN(effects_, GrpcEffects::Make({owner, config_.method_addresses, config_.twin_addresses}));
    const int threads = config_.postgres_connections - 1;  // The starter's threads need a session as well.
    runner_ = std::make_unique<Runner>(config_.Engine(owner), threads, *store_, *effects_, SystemClock(), *metrics_);
    starter_ = std::make_unique<Starter>(config_.Starter(owner), *store_, *targets_, SystemClock(), *metrics_,
                                         [this] { runner_->Post([](Engine& engine) { engine.OnHint(); }); });
    housekeeper_ = std::make_unique<Housekeeper>(config_.Upkeep(), *store_, SystemClock(), *metrics_);
    listener_ = std::make_unique<postgres::Listener>(database, job_store::kNotifyChannel, [this](std::string_view) {
      starter_->Hint();
      runner_->Post([](Engine& engine) { engine.OnHint(); });
    });
    return absl::OkStatus();
  }

  void Started() override {
    runner_->Start();
    effects_->Start([this](std::function<void(Engine&)> event) { runner_->Post(std::move(event)); });
    starter_->Start();
    housekeeper_->Start();
  }

  void Drain(const std::stop_token&) override {
    housekeeper_->Stop();
    starter_->Stop();
    runner_->Drain(config_.drain_in_flight);
  }

  void Stop() override {
    listener_.reset();
    effects_->Shutdown(kCloseLimit);
    runner_->Stop();
  }

 private:
  absl::Status AwaitSchema() {
    const absl::Time end = absl::Now() + kSchemaWait;
    for (;;) {
      const absl::Status status = postgres::CheckSchema(*pool_, absl::Now() + kCheckLimit, job_store::kSchemaName,
                                                        job_store::SchemaMigrations());
      if (!absl::IsFailedPrecondition(status) || absl::Now() >= end) return status;
      SystemClock().Sleep(absl::Milliseconds(200), {});
    }
  }

  Config config_;
  std::unique_ptr<postgres::Pool> pool_;
  std::unique_ptr<job_store::JobStore> store_;
  std::unique_ptr<SchedulerMetrics> metrics_;
  std::unique_ptr<TargetClient> targets_;
  std::unique_ptr<GrpcEffects> effects_;
  std::unique_ptr<Runner> runner_;
  std::unique_ptr<Starter> starter_;
  std::unique_ptr<Housekeeper> housekeeper_;
  std::unique_ptr<postgres::Listener> listener_;
};

}  // namespace
}  // namespace fleetcast::scheduler

int main(int argc, char** argv) {
  return fleetcast::rpc::RunProcess(
      {.name = "fleetcast-scheduler", .summary = "Runs jobs: starts, leases, issues, records"},
      std::make_unique<fleetcast::scheduler::Scheduler>(), argc, argv);
}
