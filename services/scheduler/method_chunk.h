// One leased chunk of a method job: at most once per device, whatever fails.
#pragma once

#include <cstdint>
#include <vector>

#include "services/scheduler/call_event.h"
#include "services/scheduler/chunk_run.h"
#include "services/scheduler/outcome_rules.h"

namespace fleetcast::scheduler {

// Most dispatchers; their indexes fit into a 32 bit set.
inline constexpr int kDispatchersMax = 32;

struct MethodChunkOptions {
  absl::Duration response_timeout = absl::Seconds(30);  // Of the job.
  absl::Duration wait_max = absl::Seconds(5);           // How long a target waits for its device to connect.
  absl::Duration permit = absl::Seconds(1);             // How long a sub-batch may be under way to its devices.
  absl::Duration recheck = absl::Seconds(60);           // Waiting targets are tried again so often: events may be lost.
  absl::Duration retry_first = absl::Milliseconds(50);  // Back-off after "busy" and "overloaded".
  absl::Duration retry_max = absl::Seconds(2);
  absl::Duration answer_slack = absl::Seconds(5);  // A dispatcher that is later than this with a final event is asked.
  absl::Duration inquiry_max = absl::Seconds(15);  // Without an answer to "what became of it?" the outcome is unknown.
  absl::Duration clock_skew = absl::Seconds(2);    // Most that clocks of two machines differ.
  int dispatchers = 1;                             // How many there are: an inquiry asks all of them.
};

// Rules (reliability 2.7): a target is sent only after its intent is committed, and never again unless there is proof
// that it was not sent: the typed event NOT_SENT, or "not seen" from every dispatcher that could have got it, each
// asked after the permit ran out and each running since before the intent. Everything else ends as unknown.
class MethodChunk final : public ChunkRun {
 public:
  // Goes on where the previous owner stopped: `chunk.in_flight` becomes an inquiry to all dispatchers.
  MethodChunk(job_store::LeasedChunk chunk, const MethodChunkOptions& options, Moment now);

  int ready() const override;
  Intent BeginIssue(int limit) override;
  // The intent is committed and the calls go to `dispatcher` now, a process that started at `boot`. Gives those that
  // still have to be sent.
  job_store::PositionSet Issued(const Intent& intent, int dispatcher, absl::Time boot, Moment now);
  void NotIssued(const Intent& intent) override;

  // One event of one call from `dispatcher`; an event that does not fit the state has no effect. Takes the payload.
  void OnEvent(int position, int dispatcher, CallEvent& event, Moment now, ChunkActions& actions);
  // The device of a waiting target is connected.
  void OnDeviceReady(int position, ChunkActions& actions);
  // What is in flight there has to be asked about on the next stream.
  void OnPeerDown(int dispatcher, Moment now) override;

  // Targets to ask `dispatcher` about now; each is given once per stream. Call after Tick and when a stream is up.
  std::vector<int> TakeQuestions(int dispatcher, Moment now);
  // They could not be asked after all: given again after a moment.
  void PutBackQuestions(int dispatcher, const std::vector<int>& positions, Moment now);
  // Its answer. `boot`: when the dispatcher started.
  void OnKnowledge(int position, int dispatcher, Knowledge knowledge, absl::Time boot, Moment now,
                   ChunkActions& actions);

  void Tick(Moment now, ChunkActions& actions) override;
  void Lose(ChunkActions& actions) override;
  void Abandon(ChunkActions& actions) override;
  bool drained() const override;
  int in_flight() const override { return count(State::kInFlight); }
  int unfinished() const override { return target_count() - count(State::kDone); }
  bool only_waiting() const override;

 private:
  enum class State : uint8_t { kReady, kIntending, kInFlight, kWaiting, kAsking, kDone };
  static constexpr size_t kStates = 6;

  struct Target {
    State state = State::kReady;
    bool sent = false;     // In flight: SENT was seen, so NOT_SENT can no longer be true.
    bool young = false;    // Asking: some dispatcher started too late to prove anything.
    bool is_ours = false;  // Issued by this object: boot_max is what its dispatcher said then.
    uint8_t retries = 0;
    uint8_t dispatcher = 0;                             // In flight: where.
    NotSentReason waits_for = NotSentReason::kOffline;  // Waiting: why.
    uint32_t ask = 0;                                   // Asking: bit set of dispatchers whose word is needed,
    uint32_t asked = 0;                                 // … that were asked on their current stream,
    uint32_t not_seen = 0;                              // … that proved that they did not send it.
    absl::Time issued = absl::InfinitePast();           // Wall; of the latest issue.
    absl::Time boot_max = absl::InfinitePast();         // "Not seen" of a dispatcher that started later proves nothing;
                                                        // if is_ours, of any other than the one that started then.
    absl::Duration wake = absl::InfiniteDuration();     // Steady: when Tick has to look at it.
    absl::Duration wait_end = absl::InfiniteDuration();  // Steady: end of the wait for the device.
    absl::Duration ask_after = absl::ZeroDuration();     // Steady: the permit has run out, so an answer is proof.
  };

  Target& At(int position) { return targets_[static_cast<size_t>(position)]; }
  int count(State state) const { return counts_[static_cast<size_t>(state)]; }
  void Move(int position, State state);
  void WakeAt(int position, absl::Duration when);
  void Fly(int position, int dispatcher, Moment now);
  void Ask(int position, uint32_t dispatchers, Moment now);
  void Wait(int position, NotSentReason reason, Moment now, ChunkActions& actions);
  void End(int position, job_store::Outcome outcome, ChunkActions& actions);
  void LeaveFlightOrWait(int position, ChunkActions& actions);
  void OnNotSent(int position, NotSentReason reason, Moment now, ChunkActions& actions);
  void OnProof(int position, int dispatcher, bool young, Moment now, ChunkActions& actions);
  void TickTarget(int position, Moment now, ChunkActions& actions);
  OutcomeTarget Named(int position);

  const MethodChunkOptions options_;
  std::vector<Target> targets_;
  int counts_[kStates] = {};
  job_store::PositionSet ready_;
};

}  // namespace fleetcast::scheduler
