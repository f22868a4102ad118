#include "services/scheduler/lease_keeper.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "libs/telemetry/log.h"

namespace fleetcast::scheduler {
namespace {

// Most chunks of one LeaseChunks statement: device ids of 64,000 targets.
constexpr int kLeaseBatchMax = 64;
// Most jobs that one ExpireJobs looks at.
constexpr int kExpireJobsMax = 16;
// Pause after a statement that failed.
constexpr absl::Duration kStorePause = absl::Milliseconds(200);
constexpr absl::Duration kLogEvery = absl::Seconds(5);

}  // namespace

LeaseKeeper::LeaseKeeper(EngineContext& context, HeldChunks& chunks)
    : context_(context), chunks_(chunks), next_look_(context.now.steady), next_expire_(context.now.steady) {}

void LeaseKeeper::OnHint() {
  hinted_ = true;
  renew_all_ = true;
}

void LeaseKeeper::LookSoon() { hinted_ = true; }

// How many chunks more may be held; names in `request` the jobs that have their share already.
int LeaseKeeper::FreeRoom(job_store::LeaseRequest& request) {
  absl::flat_hash_map<int64_t, int> active_of_job;
  int active = 0;
  chunks_.ForEach([&](const HeldChunk& held) {
    if (held.run->only_waiting()) return;
    ++active;
    ++active_of_job[held.job->seq];
  });
  const EngineOptions& options = context_.options;
  const int room =
      std::min(options.chunks_active_max - active, options.chunks_held_max - static_cast<int>(chunks_.size()));
  for (const auto& [job_seq, chunks] : active_of_job) {
    // The last free place is for a job that holds nothing yet.
    if (!MayTakeMore(chunks, room - 1)) request.except_jobs.push_back(job_seq);
  }
  return room;
}

void LeaseKeeper::LeaseMore() {
  if (context_.stopping || look_under_way_ || (!hinted_ && context_.now.steady < next_look_)) return;
  job_store::LeaseRequest request;
  const int room = FreeRoom(request);
  if (room <= 0) return;
  hinted_ = false;
  look_under_way_ = true;
  request.owner = context_.options.owner;
  request.limit = std::min(room, kLeaseBatchMax);
  // Some room stays free for jobs that come later.
  request.limit_per_job = std::max(1, request.limit / 2);
  request.ttl = context_.options.lease.ttl;
  const absl::Duration sent = context_.now.steady;
  context_.CallStore(
      [request](job_store::JobStore& store, absl::Time deadline) { return store.LeaseChunks(deadline, request); },
      [this, sent, asked = request.limit_per_job](absl::StatusOr<std::vector<job_store::LeasedChunk>> leased) {
        OnLeased(sent, asked, std::move(leased));
      });
}

void LeaseKeeper::OnLeased(absl::Duration sent, int asked, absl::StatusOr<std::vector<job_store::LeasedChunk>> leased) {
  look_under_way_ = false;
  next_look_ = context_.now.steady + context_.options.poll;
  if (!leased.ok()) {
    context_.metrics.store_failures.With({"lease"}).Add();
    FLEETCAST_LOG_EVERY(kWarning, kLogEvery, "cannot lease chunks", {{"error", leased.status()}});
    next_look_ = context_.now.steady + kStorePause;
    return;
  }
  // As many as were allowed: there may be more.
  if (static_cast<int>(leased->size()) >= asked) hinted_ = true;
  std::vector<job_store::ChunkLease> unwanted;
  for (job_store::LeasedChunk& chunk : *leased) {
    if (context_.stopping) {
      unwanted.push_back(chunk.lease);
    } else {
      chunks_.Hold(std::move(chunk), sent);
    }
  }
  Release(std::move(unwanted));
}

void LeaseKeeper::Renew() {
  if (renewal_under_way_) return;
  auto renewed = std::make_shared<std::vector<Holding>>();
  std::vector<job_store::ChunkLease> leases;
  chunks_.ForEach([&](HeldChunk& held) {
    if (leases.size() >= job_store::kLeaseChunksMax || held.run->lost()) return;
    if (!held.trust.RenewalIsDue(context_.now.steady) && !renew_all_) return;
    held.trust.BeginRenewal();
    renewed->push_back(HeldChunks::HoldingOf(held));
    leases.push_back(held.run->lease());
  });
  // With more than one statement can take, the rest is renewed when due: their trust ends on its own.
  renew_all_ = false;
  if (leases.empty()) return;
  renewal_under_way_ = true;
  const absl::Duration sent = context_.now.steady;
  context_.CallStore(
      [leases = std::move(leases), ttl = context_.options.lease.ttl](job_store::JobStore& store, absl::Time deadline) {
        return store.RenewLeases(deadline, leases, ttl);
      },
      [this, sent, renewed](const absl::StatusOr<std::vector<job_store::ChunkKey>>& lost) {
        OnRenewed(sent, *renewed, lost);
      });
}

void LeaseKeeper::OnRenewed(absl::Duration sent, const std::vector<Holding>& renewed,
                            const absl::StatusOr<std::vector<job_store::ChunkKey>>& lost) {
  renewal_under_way_ = false;
  if (!lost.ok()) {
    context_.metrics.store_failures.With({"renew"}).Add();
    FLEETCAST_LOG_EVERY(kWarning, kLogEvery, "leases not renewed", {{"error", lost.status()}});
  }
  for (const Holding& holding : renewed) {
    HeldChunk* held = chunks_.Find(holding);
    if (held == nullptr) continue;
    chunks_.Touch(*held);
    if (!lost.ok()) {
      held->trust.RenewalFailed(context_.now.steady + kStorePause);
    } else if (std::find(lost->begin(), lost->end(), holding.lease.key) != lost->end()) {
      chunks_.Lose(*held);
    } else {
      held->trust.Renewed(sent);
    }
  }
}

void LeaseKeeper::Expire() {
  if (context_.stopping || expire_under_way_ || context_.now.steady < next_expire_) return;
  expire_under_way_ = true;
  context_.CallStore(
      [grace = context_.options.expire_grace](job_store::JobStore& store, absl::Time deadline) {
        return store.ExpireJobs(deadline, grace, kExpireJobsMax);
      },
      [this](const absl::StatusOr<job_store::ExpireResult>& result) {
        expire_under_way_ = false;
        next_expire_ = context_.now.steady + context_.options.expire_every;
        if (!result.ok()) {
          context_.metrics.store_failures.With({"expire"}).Add();
          FLEETCAST_LOG_EVERY(kWarning, kLogEvery, "cannot look for overdue jobs", {{"error", result.status()}});
          return;
        }
        if (result->expired + result->settled == 0) return;
        for (const std::string& job_id : result->ended_jobs) {
          FLEETCAST_LOG(kInfo, "job ended by time", {{"job_id", job_id}});
        }
        renew_all_ = true;
        if (result->expired + result->settled >= kExpireJobsMax) next_expire_ = context_.now.steady;
      });
}

void LeaseKeeper::Release(std::vector<job_store::ChunkLease> leases) {
  while (!leases.empty()) {
    const size_t count = std::min<size_t>(leases.size(), job_store::kLeaseChunksMax);
    std::vector<job_store::ChunkLease> page(leases.end() - static_cast<ptrdiff_t>(count), leases.end());
    leases.resize(leases.size() - count);
    context_.CallStore([page = std::move(page)](job_store::JobStore& store,
                                                absl::Time deadline) { return store.ReleaseChunks(deadline, page); },
                       [this](const absl::Status& status) {  // Not released: the lease runs out by itself.
                         if (!status.ok()) context_.metrics.store_failures.With({"release"}).Add();
                       });
  }
}

}  // namespace fleetcast::scheduler
