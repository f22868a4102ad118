// One leased chunk of a twin job: slices that are written effectively once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "services/scheduler/chunk_run.h"
#include "services/scheduler/outcome_rules.h"

namespace fleetcast::scheduler {

struct TwinChunkOptions {
  absl::Duration resend_after = absl::Seconds(10);      // A slice without a result is sent again; its key decides.
  absl::Duration retry_first = absl::Milliseconds(20);  // Back-off after "not applied" and "unknown".
  absl::Duration retry_max = absl::Seconds(2);
};

// What the twin service says of one slice.
struct SliceResult {
  enum class Disposition { kApplied, kNotApplied, kUnknown };
  // One device that was left out of an applied slice.
  struct Failure {
    int index = 0;  // Within the slice.
    int32_t code = 0;
    std::string reason;
  };

  job_store::ChunkKey chunk;
  int slice = 0;
  Disposition disposition = Disposition::kUnknown;
  std::vector<Failure> failures;
};

// The chunk is cut into slices of kSubBatchTargets targets; slice i always holds the same devices, so its operation key
// (job, chunk, i) makes a repeat harmless (reliability 2.7). The intent is marked all the same: it is what keeps a
// cancel honest about slices under way.
class TwinChunk final : public ChunkRun {
 public:
  TwinChunk(job_store::LeasedChunk chunk, const TwinChunkOptions& options);

  int at_hand() const override;
  // Takes whole slices: the last one may exceed `limit`.
  Intent BeginIssue(int limit) override;
  // The intent is committed and the slices go to `writer` now. Gives their numbers.
  std::vector<int> Issued(const Intent& intent, int writer, Moment now);
  void NotIssued(const Intent& intent, bool committed) override;

  // A result; one that does not fit the state has no effect.
  void OnResult(const SliceResult& result, Moment now, ChunkActions& actions);

  // Slices in flight there are sent again.
  void OnPeerDown(int writer, Moment now) override;
  void Tick(Moment now, ChunkActions& actions) override;
  void Lose(ChunkActions& actions) override;
  void Abandon(ChunkActions& actions) override;
  bool drained() const override;
  int in_flight() const override;
  int unfinished() const override;
  bool only_waiting() const override { return false; }

  // Positions of a slice: [first, first + size).
  static int FirstOf(int slice) { return slice * kSubBatchTargets; }
  int SizeOf(int slice) const;
  std::span<const std::string> DevicesOf(int slice) const {
    return std::span(chunk_.device_ids)
        .subspan(static_cast<size_t>(FirstOf(slice)), static_cast<size_t>(SizeOf(slice)));
  }

 private:
  enum class State : uint8_t { kReady, kIntending, kInFlight, kPausing, kDone };

  struct Slice {
    State state = State::kReady;
    bool marked = false;  // The intent of its open targets is in the database.
    uint8_t retries = 0;
    int writer = 0;
    absl::Time issued = absl::InfinitePast();
    absl::Duration wake = absl::InfiniteDuration();
    job_store::PositionSet open;  // Without an outcome when the chunk was leased.
  };

  void Pause(Slice& slice, Moment now);
  void SetWake(Slice& slice, absl::Duration when);
  void Release(int number, ChunkActions& actions) const;
  bool Blocked(const Slice& slice) const { return !(slice.open & to_clear_).empty(); }

  const TwinChunkOptions options_;
  std::vector<Slice> slices_;
};

}  // namespace fleetcast::scheduler
