// A job over a million devices in a durable database, step by step: what the goals of design section 7 rest on.
#include <benchmark/benchmark.h>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/schema.h"
#include "libs/testing/private_postgres.h"

namespace fleetcast::job_store {
namespace {

constexpr int kDevices = 1'000'000;
constexpr int kSubBatch = 250;
constexpr absl::Duration kTtl = absl::Minutes(10);

absl::Time Soon() { return absl::Now() + absl::Minutes(1); }

// One server and store for all benchmarks; a job of a million devices for each that asks.
class Stand {
 public:
  static Stand& Get() {
    static Stand stand;
    return stand;
  }

  JobStore& store() { return store_; }

  // Creates and freezes a job; its id.
  std::string RunJob() {
    const std::string id = absl::StrFormat("job-%d", ++jobs_);
    CreateRequest request;
    request.spec.id = id;
    request.spec.condition = "*";
    request.spec.action = MethodAction{"reboot", "null", absl::Seconds(30), absl::ZeroDuration()};
    request.spec.execution_timeout = absl::Hours(1);
    request.request_hash = id;
    FLEETCAST_CHECK(store_.CreateJob(Soon(), request).ok());
    FLEETCAST_CHECK(store_.PromoteDue(Soon(), 10).ok());
    ResolveLease lease = **store_.AcquireResolve(Soon(), "bench", kTtl);
    for (size_t from = 0; from < devices_.size(); from += kAppendTargetsMax) {
      FLEETCAST_CHECK(
          store_.AppendTargets(Soon(), lease, std::span(devices_).subspan(from, kAppendTargetsMax), kTtl).ok());
    }
    FLEETCAST_CHECK(store_.FinishResolve(Soon(), lease).ok());
    return id;
  }

  std::vector<LeasedChunk> Lease(int limit) {
    return *store_.LeaseChunks(Soon(), {.owner = "bench", .limit = limit, .ttl = kTtl});
  }

 private:
  Stand() {
    FLEETCAST_CHECK(postgres::Migrate(pool_, Soon(), kSchemaName, SchemaMigrations()).ok());
    devices_.reserve(kDevices);
    for (int i = 0; i < kDevices; ++i) devices_.push_back(absl::StrFormat("device-%07d", i));
  }

  fleetcast::testing::PrivatePostgres server_{{.durable = true}};
  telemetry::Metrics metrics_;
  postgres::Pool pool_{{.connection_string = server_.NewDatabase(), .application_name = "bench"}, metrics_};
  PostgresJobStore store_{pool_};
  std::vector<std::string> devices_;
  int jobs_ = 0;
};

void BM_FreezeMillionTargets(benchmark::State& state) {
  Stand& stand = Stand::Get();
  std::string id;
  for (auto unused : state) id = stand.RunJob();
  state.SetItemsProcessed(state.iterations() * kDevices);
  FLEETCAST_CHECK(stand.store().CancelJob(Soon(), {.job_id = id, .drain = kTtl}).ok());
}
BENCHMARK(BM_FreezeMillionTargets)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

// Intents and outcomes of 64,000 devices in sub-batches, each committed to disk, on one thread.
void BM_IssueAndRecord(benchmark::State& state) {
  Stand& stand = Stand::Get();
  const std::string id = stand.RunJob();
  const std::vector<LeasedChunk> chunks = stand.Lease(64);
  int64_t recorded = 0;
  for (auto unused : state) {
    for (const LeasedChunk& chunk : chunks) {
      for (int from = 0; from < kChunkTargets; from += kSubBatch) {
        const PositionSet batch = PositionSet::FirstN(from + kSubBatch) - PositionSet::FirstN(from);
        FLEETCAST_CHECK(stand.store().MarkIssued(Soon(), std::vector<IssueRequest>{{chunk.lease, batch}})->front());
        std::vector<Outcome> outcomes;
        for (const int position : batch.ToVector()) {
          outcomes.push_back({.lease = chunk.lease,
                              .position = position,
                              .state = ExecutionState::kSucceeded,
                              .device_status = 200,
                              .payload = "{\"ok\":true}",
                              .error_reason = "",
                              .start_time = absl::Now(),
                              .end_time = absl::Now()});
        }
        recorded += stand.store().RecordOutcomes(Soon(), outcomes)->recorded;
      }
    }
  }
  state.SetItemsProcessed(recorded);
  FLEETCAST_CHECK(stand.store().CancelJob(Soon(), {.job_id = id, .drain = kTtl}).ok());
}
BENCHMARK(BM_IssueAndRecord)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

void BM_GetRunningJob(benchmark::State& state) {
  Stand& stand = Stand::Get();
  const std::string id = stand.RunJob();
  for (auto unused : state) benchmark::DoNotOptimize(stand.store().GetJob(Soon(), id));
  FLEETCAST_CHECK(stand.store().CancelJob(Soon(), {.job_id = id, .drain = kTtl}).ok());
}
BENCHMARK(BM_GetRunningJob)->Unit(benchmark::kMicrosecond)->UseRealTime();

void BM_LeaseSixteenChunks(benchmark::State& state) {
  Stand& stand = Stand::Get();
  const std::string id = stand.RunJob();
  for (auto unused : state) {
    std::vector<ChunkLease> leases;
    for (const LeasedChunk& chunk : stand.Lease(16)) leases.push_back(chunk.lease);
    FLEETCAST_CHECK(stand.store().ReleaseChunks(Soon(), leases).ok());
  }
  FLEETCAST_CHECK(stand.store().CancelJob(Soon(), {.job_id = id, .drain = kTtl}).ok());
}
BENCHMARK(BM_LeaseSixteenChunks)->Unit(benchmark::kMicrosecond)->UseRealTime();

void BM_CancelRunningJob(benchmark::State& state) {
  Stand& stand = Stand::Get();
  const std::string id = stand.RunJob();
  for (auto unused : state) FLEETCAST_CHECK(stand.store().CancelJob(Soon(), {.job_id = id, .drain = kTtl}).ok());
}
BENCHMARK(BM_CancelRunningJob)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

void BM_ListExecutions(benchmark::State& state) {
  Stand& stand = Stand::Get();
  const std::string id = stand.RunJob();
  for (auto unused : state) {
    FLEETCAST_CHECK(stand.store().ListExecutions(Soon(), {.job_id = id, .page_size = 100}).ok());
  }
  FLEETCAST_CHECK(stand.store().CancelJob(Soon(), {.job_id = id, .drain = kTtl}).ok());
}
BENCHMARK(BM_ListExecutions)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace fleetcast::job_store
