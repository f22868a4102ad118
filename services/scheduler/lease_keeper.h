// Leases: takes free chunks, renews what is held, gives back what is done, lets time end what it must.
#pragma once

#include <vector>

#include "absl/container/btree_map.h"
#include "services/scheduler/engine_context.h"
#include "services/scheduler/held_chunks.h"

namespace fleetcast::scheduler {

class LeaseKeeper {
 public:
  LeaseKeeper(EngineContext& context, HeldChunks& chunks);

  // Leases free chunks when there is room and a reason to look: a hint, freed room, or the poll.
  void LeaseMore();
  // Renews leases that are due.
  void Renew();
  // Ends jobs whose time is over.
  void Expire();
  // Gives leases back.
  void Release(std::vector<job_store::ChunkLease> leases);

  // A job was created or cancelled somewhere, or started here: look for free chunks and at our own leases now.
  void OnHint();
  // Room has become free.
  void LookSoon();

 private:
  void OnLeased(absl::Duration sent, const job_store::LeaseRequest& request,
                absl::StatusOr<std::vector<job_store::LeasedChunk>> leased);
  void Take(std::vector<job_store::LeasedChunk> leased, const job_store::LeaseRequest& request, absl::Duration sent);
  void OnRenewed(absl::Duration sent, const std::vector<Holding>& renewed,
                 const absl::StatusOr<std::vector<job_store::ChunkKey>>& lost);
  int FreeRoom(job_store::LeaseRequest& request);
  // Targets of each job that are held and not issued; more than HeldJob::ready while something is being written.
  using AtHand = absl::btree_map<int64_t, int64_t>;
  AtHand TargetsAtHand();

  EngineContext& context_;
  HeldChunks& chunks_;
  absl::Duration next_look_;
  absl::Duration next_expire_;
  absl::Duration limited_from_ = absl::ZeroDuration();  // No chunks of limited jobs are leased before.
  bool look_under_way_ = false;
  bool renewal_under_way_ = false;
  bool expire_under_way_ = false;
  bool hinted_ = false;  // A hint came while a look was under way.
};

}  // namespace fleetcast::scheduler
