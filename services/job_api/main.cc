// job_api: the job resource. See README.md.

#include <memory>
#include <stop_token>

#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/schema.h"
#include "libs/postgres/migrate.h"
#include "libs/postgres/pool.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/process.h"
#include "services/job_api/config.h"
#include "services/job_api/job_service.h"
#include "services/job_api/watch_stream.h"

namespace fleetcast::job_api {
namespace {

constexpr size_t kQueueLimit = 1'000;
constexpr int kChangeThreads = 8;
constexpr size_t kChangeQueueLimit = 100;

class JobApi final : public rpc::Application {
 public:
  void Declare(config::Settings& settings) override { config_.Declare(settings); }

  absl::Status Build(rpc::Process& process) override {
    pool_ = std::make_unique<postgres::Pool>(postgres::PoolOptions{.connection_string = config_.postgres,
                                                                   .application_name = "fleetcast-job-api",
                                                                   .connections = config_.postgres_connections},
                                             process.metrics());
    FLEETCAST_RETURN_IF_ERROR(postgres::PrepareSchema(
        *pool_, job_store::kSchemaName, job_store::SchemaMigrations(),
        {.migrate = config_.migrate || config_.migrate_on_start, .allow_unsafe = config_.allow_unsafe_database}));
    if (config_.migrate) {
      process.ExitAfterBuild();
      return absl::OkStatus();
    }
    store_ = std::make_unique<job_store::PostgresJobStore>(*pool_);
    FLEETCAST_ASSIGN_OR_RETURN(auto twin, rpc::MakeChannel(config_.twin_addresses));
    targets_ = NewTargetCounter(std::move(twin));
    tokens_ = std::make_unique<PageTokens>(config_.page_token_key.empty() ? RandomBytes(32) : config_.page_token_key);
    watches_ = std::make_unique<WatchHub>(SystemClock(), NewJobReader(*store_), process.metrics());
    workers_ = std::make_unique<WorkerPool>(config_.postgres_connections, kQueueLimit);
    change_workers_ = std::make_unique<WorkerPool>(kChangeThreads, kChangeQueueLimit);
    service_ = std::make_unique<JobService>(
        *store_, *targets_, *watches_, *tokens_, SystemClock(), *workers_, *change_workers_,
        JobServiceOptions{.creation = {config_.start_horizon, config_.active_jobs_max},
                          .change = {config_.permit_lifetime, config_.cancel_drain}});
    process.Serve(jobs::v1::JobService::service_full_name(), service_.get());
    return absl::OkStatus();
  }

  void Drain(const std::stop_token&) override { watches_->Stop(); }  // An open stream would hold up the shutdown.

 private:
  Config config_;
  std::unique_ptr<postgres::Pool> pool_;
  std::unique_ptr<job_store::JobStore> store_;
  std::unique_ptr<TargetCounter> targets_;
  std::unique_ptr<PageTokens> tokens_;
  std::unique_ptr<WatchHub> watches_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<WorkerPool> change_workers_;
  std::unique_ptr<JobService> service_;
};

}  // namespace
}  // namespace fleetcast::job_api

int main(int argc, char** argv) {
  return fleetcast::rpc::RunProcess({.name = "fleetcast-job-api", .summary = "Stores, reads, lists and cancels jobs"},
                                    std::make_unique<fleetcast::job_api::JobApi>(), argc, argv);
}
