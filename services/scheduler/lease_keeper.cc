#include "services/scheduler/lease_keeper.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/btree_map.h"
#include "libs/telemetry/log.h"
#include "services/scheduler/store_retry.h"

namespace fleetcast::scheduler {
namespace {

// Most chunks of one LeaseChunks statement: device ids of 64,000 targets.
constexpr int kLeaseBatchMax = 64;
// Of a job whose rollout is limited, so much ahead of what it may start is leased.
constexpr absl::Duration kAhead = absl::Seconds(5);
// Most jobs that one ExpireJobs looks at.
constexpr int kExpireJobsMax = 16;

// True when more chunks of the job would only lie about; `ready`: targets at hand.
bool HasEnough(const HeldJob& job, int64_t ready) {
  if (!job.pacer.has_value() || job.pacer->elsewhere() > 0) return false;
  return ready > 0 && static_cast<double>(ready) >= job.pacer->Wanted(kAhead);
}

}  // namespace

LeaseKeeper::LeaseKeeper(EngineContext& context, HeldChunks& chunks)
    : context_(context), chunks_(chunks), next_look_(context.now.steady), next_expire_(context.now.steady) {}

void LeaseKeeper::OnHint() {
  hinted_ = true;
  context_.leases_void = true;
}

void LeaseKeeper::LookSoon() { hinted_ = true; }

LeaseKeeper::AtHand LeaseKeeper::TargetsAtHand() {
  AtHand at_hand;
  chunks_.ForEach([&](const HeldChunk& held) { at_hand[held.job->seq] += held.run->at_hand(); });
  return at_hand;
}

// How many chunks more may be held; names in `request` the jobs that have their share already.
int LeaseKeeper::FreeRoom(job_store::LeaseRequest& request) {
  absl::btree_map<int64_t, int> active_of_job;
  int active = 0;
  chunks_.ForEach([&](const HeldChunk& held) {
    if (held.run->only_waiting()) return;
    ++active;
    ++active_of_job[held.job->seq];
  });
  AtHand at_hand = TargetsAtHand();
  const EngineOptions& options = context_.options;
  const int room =
      std::min(options.chunks_active_max - active, options.chunks_held_max - static_cast<int>(chunks_.size()));
  for (const auto& [job_seq, chunks] : active_of_job) {
    // The last free place is for a job that holds nothing yet.
    const HeldJob& job = *chunks_.FindJob(job_seq);
    if (!MayTakeMore(chunks, room - 1) || HasEnough(job, at_hand[job_seq])) request.except_jobs.push_back(job_seq);
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
  request.limited_jobs = context_.now.steady >= limited_from_;
  request.limit = std::min(room, kLeaseBatchMax);
  // Some room stays free for jobs that come later.
  request.limit_per_job = std::max(1, request.limit / 2);
  request.ttl = context_.options.lease.ttl;
  const absl::Duration sent = context_.now.steady;
  context_.CallStore(
      [request](job_store::JobStore& store, absl::Time deadline) { return store.LeaseChunks(deadline, request); },
      [this, sent, request](absl::StatusOr<std::vector<job_store::LeasedChunk>> leased) {
        OnLeased(sent, request, std::move(leased));
      });
}

void LeaseKeeper::OnLeased(absl::Duration sent, const job_store::LeaseRequest& request,
                           absl::StatusOr<std::vector<job_store::LeasedChunk>> leased) {
  look_under_way_ = false;
  next_look_ = context_.now.steady + context_.options.poll;
  if (!leased.ok()) {
    context_.metrics.store_failures.With({"lease"}).Add();
    FLEETCAST_LOG_EVERY(kWarning, kLogEvery, "cannot lease chunks", {{"error", leased.status()}});
    next_look_ = context_.now.steady + kStorePause;
    // It may have been done, or be done yet: until it has run out, a chunk may be ours of which we know nothing, and
    // what is seen of a limited job is not all that it has in flight (J12).
    limited_from_ = context_.now.steady + context_.options.store_deadline + request.ttl;
    return;
  }
  // As many as were allowed: there may be more.
  if (static_cast<int>(leased->size()) >= request.limit_per_job) hinted_ = true;
  Take(*std::move(leased), request, sent);
}

void LeaseKeeper::Take(std::vector<job_store::LeasedChunk> leased, const job_store::LeaseRequest& request,
                       absl::Duration sent) {
  struct OfJob {
    int chunks = 0;
    int64_t ready = 0;
    bool more_issued = true;
  };
  absl::btree_map<int64_t, OfJob> jobs;
  const bool is_cut = static_cast<int>(leased.size()) >= request.limit;
  for (const job_store::LeasedChunk& chunk : leased) {
    OfJob& job = jobs[chunk.lease.key.job_seq];
    ++job.chunks;
    // Those with issued targets come first: whoever sees one without has seen them all.
    job.more_issued = !chunk.in_flight.empty() && (is_cut || job.chunks >= request.limit_per_job);
  }
  AtHand at_hand = TargetsAtHand();
  std::vector<job_store::ChunkLease> unwanted;
  for (job_store::LeasedChunk& chunk : leased) {
    OfJob& job = jobs[chunk.lease.key.job_seq];
    const HeldJob* held = chunks_.FindJob(chunk.lease.key.job_seq);
    const bool has_enough =
        held != nullptr && chunk.in_flight.empty() && job.ready > 0 && HasEnough(*held, at_hand[held->seq] + job.ready);
    if (context_.stopping || has_enough) {
      unwanted.push_back(chunk.lease);
      continue;
    }
    job.ready += chunk.pending.size();
    chunks_.Hold(std::move(chunk), sent, job.more_issued);
  }
  Release(std::move(unwanted));
}

void LeaseKeeper::Renew() {
  if (renewal_under_way_) return;
  // All are due now; with more than one statement can take, the rest follows when it is answered.
  if (std::exchange(context_.leases_void, false)) {
    chunks_.ForEach([&](HeldChunk& held) { held.trust.RenewalFailed(context_.now.steady); });
  }
  auto renewed = std::make_shared<std::vector<Holding>>();
  std::vector<job_store::ChunkLease> leases;
  chunks_.ForEach([&](HeldChunk& held) {
    if (leases.size() >= job_store::kLeaseChunksMax || held.run->lost()) return;
    if (!held.trust.RenewalIsDue(context_.now.steady)) return;
    held.trust.BeginRenewal();
    renewed->push_back(HeldChunks::HoldingOf(held));
    leases.push_back(held.run->lease());
  });
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
        context_.leases_void = true;
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
