// From "may be issued" to "sent": turns, intents, batches, and what is taken back.
#pragma once

#include <vector>

#include "services/scheduler/engine_context.h"
#include "services/scheduler/held_chunks.h"
#include "services/scheduler/recorder.h"

namespace fleetcast::scheduler {

// The order that makes methods at most once: an intent is committed before anything is sent, and nothing is sent under
// a lease that is not trusted at that moment (reliability 2.7, 7.3).
class Issuer {
 public:
  Issuer(EngineContext& context, HeldChunks& chunks, const Recorder& recorder)
      : context_(context), chunks_(chunks), recorder_(recorder) {}

  // Gives turns to jobs while the next hops have room, and commits the intents.
  void Issue();
  // Takes back the intents of chunks that want it.
  void Clear();

 private:
  // An intent that is being committed.
  struct Pending {
    Holding holding;
    Intent intent;
    Destination to;
    Lane* lane = nullptr;
    absl::Time begun = absl::InfiniteFuture();  // Wall, before the intent was committed: its permit counts from here.
  };
  struct Clearing {
    Holding holding;
    job_store::PositionSet positions;
  };

  void GiveTurns(job_store::ActionKind kind);
  bool TakeTurn(Lane& lane, const Turn& turn);
  void Mark();
  void OnMarked(std::vector<Pending> marked, const absl::StatusOr<std::vector<bool>>& answers);
  void Send(HeldChunk& held, const Pending& pending);
  void SendCalls(HeldChunk& held, const Pending& pending);
  void SendSlices(HeldChunk& held, const Pending& pending);
  void OnCleared(const std::vector<Clearing>& cleared, const absl::StatusOr<std::vector<bool>>& answers);

  EngineContext& context_;
  HeldChunks& chunks_;
  const Recorder& recorder_;
  std::vector<Pending> to_mark_;
  int marks_under_way_ = 0;
  std::vector<job_store::ChunkKey> to_clear_;
  bool clear_under_way_ = false;
  absl::Duration clear_not_before_ = -absl::InfiniteDuration();
  absl::Duration mark_not_before_ = -absl::InfiniteDuration();
};

}  // namespace fleetcast::scheduler
