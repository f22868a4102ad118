// One leased chunk of a method job: at most once per device, whatever fails, unless the job asks for retries.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/base/random.h"
#include "services/scheduler/call_event.h"
#include "services/scheduler/chunk_run.h"
#include "services/scheduler/outcome_rules.h"

namespace fleetcast::scheduler {

// Most dispatchers; their indexes fit into a 32 bit set.
inline constexpr int kDispatchersMax = 32;

// The highest number of an attempt: numbers are part of call ids. Above kRetriesMax, for a number whose commit stayed
// unclear is used up.
inline constexpr int kAttemptMax = 14;

struct MethodChunkOptions {
  absl::Duration response_timeout = absl::Seconds(30);  // Of the job.
  absl::Duration wait_max = absl::Seconds(5);           // How long a target waits for its device to connect.
  bool begin_waiting = false;                           // Nothing is sent before a device is known to be connected.
  absl::Duration permit = absl::Seconds(1);             // How long a sub-batch may be under way to its devices.
  absl::Duration recheck = absl::Seconds(60);           // Devices are watched anew so often: events may be lost.
  absl::Duration retry_first = absl::Milliseconds(50);  // Back-off after "busy" and "overloaded".
  absl::Duration retry_max = absl::Seconds(2);
  absl::Duration answer_slack = absl::Seconds(5);  // A dispatcher that is later than this with a final event is asked.
  absl::Duration inquiry_max = absl::Seconds(15);  // Without an answer to "what became of it?" the outcome is unknown.
  absl::Duration clock_skew = absl::Seconds(2);    // Most that clocks of two machines differ.
  int dispatchers = 1;                             // How many there are: an inquiry asks all of them.
  Random* random = nullptr;                        // For jitter; must outlive the chunk. nullptr: the system's.
};

// Rules (reliability 2.7): a target is sent only after its intent is committed, and the same attempt never again unless
// there is proof that it was not sent: the typed event NOT_SENT, or "not seen" from every dispatcher that could have
// got it, each asked after the permit ran out and each running since before the intent. Everything else ends as
// unknown.
//
// Retries (the job's RetryPolicy): an attempt that ended, and was not what was wanted, is followed by one with the next
// number; the number is committed before it is sent and is part of the call's key, so that nobody mistakes one attempt
// for another. The end of the last attempt is the outcome, with one exception: an answer of success that comes late,
// from an earlier attempt, ends the target at once. Attempts that were certainly not sent take no number.
class MethodChunk final : public ChunkRun {
 public:
  // Goes on where the previous owner stopped: `chunk.in_flight` becomes an inquiry to all dispatchers.
  MethodChunk(job_store::LeasedChunk chunk, const MethodChunkOptions& options, Moment now);

  // What has to be done first; call it once.
  void Begin(ChunkActions& actions);

  int at_hand() const override;
  int again() const override;
  Intent BeginIssue(int limit) override;
  // The intent is committed and the calls go to `dispatcher` now, a process that started at `boot`. Gives those that
  // still have to be sent.
  job_store::PositionSet Issued(const Intent& intent, int dispatcher, absl::Time boot, Moment now,
                                ChunkActions& actions);
  void NotIssued(const Intent& intent, bool committed) override;
  // Which attempt at the target is the latest.
  int attempt(int position) const { return targets_[static_cast<size_t>(position)].attempt; }

  // One event of one call from `dispatcher`; an event that does not fit the state has no effect. Takes the payload.
  void OnEvent(int position, int dispatcher, CallEvent& event, Moment now, ChunkActions& actions);
  // The device of a waiting target is connected; nobody watches it any more.
  void OnDeviceReady(int position);
  // Its device is watched for it.
  bool awaits_device(int position) const {
    const Target& target = At(position);
    return target.state == State::kWaiting && target.waits_for == Wait::kDevice && !lost_;
  }
  // What is in flight there has to be asked about on the next stream.
  void OnPeerDown(int dispatcher, Moment now) override;

  // Targets to ask `dispatcher` about now; each is given once per stream. Call after Tick and when a stream is up.
  std::vector<int> TakeQuestions(int dispatcher, Moment now);
  // They could not be asked after all: given again after a moment.
  void PutBackQuestions(int dispatcher, const std::vector<int>& positions, Moment now);
  // Its answer about attempt(position). `boot`: when the dispatcher started.
  void OnKnowledge(int position, int dispatcher, Knowledge knowledge, absl::Time boot, Moment now,
                   ChunkActions& actions);

  void Tick(Moment now, ChunkActions& actions) override;
  void Lose(ChunkActions& actions) override;
  void Abandon(ChunkActions& actions) override;
  bool drained() const override;
  int in_flight() const override { return count(State::kInFlight); }
  int unfinished() const override { return target_count() - count(State::kDone); }
  bool only_waiting() const override;

  // Lost, with targets that would be tried again: is the job over? Judge must follow.
  bool wants_verdict() const;
  // Over: the ends of their last attempts are their outcomes. Else the next owner goes on.
  void Judge(bool job_is_over, ChunkActions& actions);

 private:
  enum class State : uint8_t { kReady, kIntending, kInFlight, kWaiting, kAsking, kDone };
  static constexpr size_t kStates = 6;
  // What a waiting target waits for.
  enum class Wait : uint8_t {
    kDevice,       // A connect event; its device is watched.
    kDevicePause,  // The moment to watch it again: it was connected just now and could not be reached.
    kBusy,         // Calls in flight to the device to end.
    kWay,          // The way to it to become free.
    kRetry,        // The moment of the next try.
  };

  // 24 bytes: chunks may wait with a million of them. Times are in milliseconds after base_.
  struct Target {
    State state = State::kReady;
    Wait waits_for = Wait::kDevice;
    uint8_t dispatcher = 0;         // In flight: where.
    uint8_t boot = 0;               // Index of boots_: "not seen" of a dispatcher that started later proves nothing.
    uint8_t attempt = 0;            // Retries begun that the store knows of.
    uint8_t not_online = 0;         // Retries begun after proof that the device was not connected.
    uint8_t pauses = 0;             // Back-off.
    bool sent : 1 = false;          // In flight: SENT was seen, so NOT_SENT can no longer be true.
    bool next_attempt : 1 = false;  // The latest attempt has ended; the next issue takes the next number.
    bool is_ours : 1 = false;       // Issued by this object: only the very process that got it can prove anything.
    int32_t wake = kNever;          // When Tick has to look at it.
    int32_t wait_end = kNever;      // End of the wait for the device.
    int64_t issued_micros = kNotIssued;  // Wall, Unix; of the latest issue.
  };
  static constexpr int32_t kNever = INT32_MAX;
  static constexpr int64_t kNotIssued = INT64_MIN;

  // What is known about a target that is asked about.
  struct Inquiry {
    uint32_t ask = 0;          // Bit set of dispatchers whose word is needed,
    uint32_t asked = 0;        // … that were asked on their current stream,
    uint32_t not_seen = 0;     // … that proved that they did not send it.
    bool young = false;        // Some dispatcher started too late to prove anything.
    absl::Duration ask_after;  // Steady: the permit has run out, so an answer is proof.
  };
  // The end of an attempt that is followed by another one.
  struct LastEnd {
    job_store::Outcome outcome;
    CallSource source;
  };

  Target& At(int position) { return targets_[static_cast<size_t>(position)]; }
  const Target& At(int position) const { return targets_[static_cast<size_t>(position)]; }
  int count(State state) const { return counts_[static_cast<size_t>(state)]; }
  int32_t MillisOf(absl::Duration when) const;
  absl::Duration TimeOf(int32_t millis) const;
  uint8_t BootIndex(absl::Time boot);
  void Move(int position, State state);
  void WakeAt(int position, absl::Duration when);
  OutcomeTarget Named(int position) const;

  void BecomeReady(int position);
  void Fly(int position, int dispatcher, Moment now);
  void Ask(int position, uint32_t dispatchers, Moment now);
  void OnProof(int position, int dispatcher, bool young, Moment now, ChunkActions& actions);

  void OnLateEnd(int position, CallSource source, CallEvent& event, Moment now, ChunkActions& actions);
  void OnNotSent(int position, NotSentReason reason, Moment now, ChunkActions& actions);
  // The latest attempt has ended: it is tried again, or that was the outcome.
  void Conclude(int position, job_store::Outcome outcome, CallSource source, Moment now, ChunkActions& actions);
  void ConcludeNotSent(int position, NotSentReason reason, Moment now, ChunkActions& actions);
  void EndAsBefore(int position, Moment now, ChunkActions& actions);
  bool MayRetry(int position, FailureType failure) const;
  // How long to pause before the next try; nullopt when no time is left for one.
  std::optional<absl::Duration> RetryPause(int position, Moment now) const;
  void End(int position, job_store::Outcome outcome, CallSource source, ChunkActions& actions);
  void LeaveFlightOrWait(int position, ChunkActions& actions);
  void AwaitDevice(int position, Moment now, ChunkActions& actions);
  void PauseFor(int position, Wait wait, absl::Duration pause, Moment now);
  absl::Duration NextPause(Target& target, absl::Duration most) const;
  void TickTarget(int position, Moment now, ChunkActions& actions);
  void TickWaiting(int position, Moment now, ChunkActions& actions);
  void WatchAgain(Moment now, ChunkActions& actions);

  const MethodChunkOptions options_;
  Random& random_;
  const absl::Duration base_;
  std::vector<Target> targets_;
  int counts_[kStates] = {};
  job_store::PositionSet ready_;
  std::vector<absl::Time> boots_;
  absl::flat_hash_map<int, Inquiry> inquiries_;  // Of those in kAsking.
  absl::flat_hash_map<int, LastEnd> ends_;
  absl::Duration recheck_at_ = absl::InfiniteDuration();
};

}  // namespace fleetcast::scheduler
