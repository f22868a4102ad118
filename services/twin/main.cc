// twin: devices and twins. See README.md.

#include <memory>

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/process.h"
#include "services/twin/parts.h"
#include "services/twin/query_indexes.h"
#include "services/twin/store/schema.h"

namespace fleetcast::twin {
namespace {

constexpr absl::Duration kMigrateLimit = absl::Minutes(10);
constexpr absl::Duration kCheckLimit = absl::Seconds(30);

class TwinProcess final : public rpc::Application {
 public:
  void Declare(config::Settings& settings) override { config_.Declare(settings); }

  absl::Status Build(rpc::Process& process) override {
    postgres::Pool setup(
        {.connection_string = config_.postgres, .application_name = "fleetcast-twin-start", .connections = 1},
        process.metrics());
    FLEETCAST_RETURN_IF_ERROR(postgres::AwaitServer(setup));
    if (config_.migrate || config_.migrate_on_start) {
      FLEETCAST_RETURN_IF_ERROR(postgres::Migrate(setup, absl::Now() + kMigrateLimit, kSchema, SchemaMigrations()));
    }
    if (config_.migrate) {
      process.ExitAfterBuild();
      return absl::OkStatus();
    }
    FLEETCAST_ASSIGN_OR_RETURN(auth::SealingKeys keys, auth::SealingKeys::FromText(config_.key_encryption_keys));
    stores_ = std::make_unique<Stores>(config_, KeyVault(std::move(keys)), process.metrics());
    const absl::Time check = absl::Now() + kCheckLimit;
    FLEETCAST_RETURN_IF_ERROR(postgres::CheckServer(stores_->pool, check, config_.allow_unsafe_database));
    FLEETCAST_RETURN_IF_ERROR(postgres::CheckSchema(stores_->pool, check, kSchema, SchemaMigrations()));
    key_upkeep_ = std::make_unique<KeyUpkeep>(stores_->keys, stores_->vault, config_.seal_delay, SystemClock(),
                                              process.metrics());
    FLEETCAST_RETURN_IF_ERROR(key_upkeep_->CheckKeys(check));
    FLEETCAST_ASSIGN_OR_RETURN(
        feed_,
        ChangeFeed::Make({config_.device_connection_addresses, config_.outbox_retention, config_.slice_retention},
                         stores_->feed, stores_->slices, SystemClock(), process.metrics()));
    services_ = std::make_unique<Services>(config_, *stores_, *feed_);
    process.Serve(registry::v1::DeviceService::service_full_name(), &services_->devices);
    process.Serve(registry::v1::ModuleService::service_full_name(), &services_->modules);
    process.Serve(twins::v1::TwinService::service_full_name(), &services_->twins);
    process.Serve(internal::v1::DeviceRecordService::service_full_name(), &services_->records);
    process.Serve(internal::v1::TargetService::service_full_name(), &services_->targets);
    process.Serve(internal::v1::TwinWriteService::service_full_name(), &services_->writes);
    return absl::OkStatus();
  }

  void Started() override {
    feed_->Start();
    key_upkeep_->Start();
    indexes_ =
        std::make_unique<QueryIndexKeeper>(stores_->indexes, QueryIndexesOf(stores_->index_paths), SystemClock());
  }
  void Stop() override {
    indexes_.reset();
    key_upkeep_->Stop();
    feed_->Stop();
  }

 private:
  Config config_;
  std::unique_ptr<Stores> stores_;
  std::unique_ptr<KeyUpkeep> key_upkeep_;
  std::unique_ptr<ChangeFeed> feed_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<QueryIndexKeeper> indexes_;
};

}  // namespace
}  // namespace fleetcast::twin

int main(int argc, char** argv) {
  return fleetcast::rpc::RunProcess({.name = "fleetcast-twin", .summary = "Devices and twins"},
                                    std::make_unique<fleetcast::twin::TwinProcess>(), argc, argv);
}
