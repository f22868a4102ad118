// How fast one scheduler runs jobs when every device answers at once: durable Postgres, real streams, fake hops.
//
//   build/release/bin/scheduler_bench [devices]
//
// One JSON object a line: name, targets, seconds, targets per second.
#include <cstdio>
#include <cstdlib>

#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/schema.h"
#include "libs/telemetry/log.h"
#include "libs/testing/private_postgres.h"
#include "libs/testing/wait_for.h"
#include "services/scheduler/testing/fake_hops.h"
#include "services/scheduler/testing/live_scheduler.h"

namespace fleetcast::scheduler {
namespace {

constexpr absl::Duration kLimit = absl::Minutes(10);

class Bench {
 public:
  explicit Bench(int devices) : devices_(devices), hops_(devices) {
    const absl::Status migrated =
        postgres::Migrate(pool_, absl::Now() + kLimit, job_store::kSchemaName, job_store::SchemaMigrations());
    FLEETCAST_CHECK(migrated.ok());
    Config config;
    config.method_addresses = {hops_.address()};
    config.twin_addresses = {hops_.address()};
    scheduler_ = std::make_unique<LiveScheduler>(config, store_);
  }

  bool Run(const std::string& name, job_store::Action action) {
    job_store::CreateRequest request;
    request.request_hash = name;
    request.spec.id = name;
    request.spec.condition = "*";
    request.spec.action = std::move(action);
    request.spec.execution_timeout = absl::Hours(1);
    const absl::Time start = absl::Now();
    if (!store_.CreateJob(absl::Now() + kLimit, request).ok()) return false;
    scheduler_->Hint();
    job_store::Job job;
    const auto read = [&] { return *store_.GetJob(absl::Now() + kLimit, name); };
    testing::WaitFor([&] { return (job = read()).state == JobState::kRunning || IsTerminal(job.state); }, kLimit);
    const double frozen = absl::ToDoubleSeconds(absl::Now() - start);
    testing::WaitFor([&] { return IsTerminal((job = read()).state); }, kLimit);
    const double seconds = absl::ToDoubleSeconds(*job.end_time - start);
    std::printf(
        "{\"name\":\"scheduler %s\",\"targets\":%d,\"succeeded\":%lld,\"freeze_seconds\":%.3f,"
        "\"seconds\":%.3f,\"targets_per_second\":%.0f}\n",
        name.c_str(), devices_, static_cast<long long>(job.counts.succeeded), frozen, seconds, devices_ / seconds);
    return job.counts.succeeded == devices_;
  }

 private:
  const int devices_;
  testing::PrivatePostgres postgres_{{.durable = true}};
  telemetry::Metrics registry_;
  postgres::Pool pool_{{.connection_string = postgres_.NewDatabase(), .application_name = "bench", .connections = 10},
                       registry_};
  job_store::PostgresJobStore store_{pool_};
  FakeHops hops_;
  std::unique_ptr<LiveScheduler> scheduler_;
};

}  // namespace
}  // namespace fleetcast::scheduler

int main(int argc, char** argv) {
  using fleetcast::job_store::MethodAction;
  using fleetcast::job_store::TwinAction;
  fleetcast::telemetry::SetLogLevel(fleetcast::telemetry::LogLevel::kError);
  fleetcast::scheduler::Bench bench(argc > 1 ? std::atoi(argv[1]) : 100'000);
  const bool methods = bench.Run("methods", MethodAction{.method = "lockDoor",
                                                         .payload = R"({"floor":3})",
                                                         .response_timeout = absl::Seconds(30),
                                                         .connect_timeout = {}});
  const bool twins =
      bench.Run("twins", TwinAction{.tags_patch = R"({"building":"43"})", .desired_patch = "", .etag = "*"});
  return methods && twins ? 0 : 1;
}
