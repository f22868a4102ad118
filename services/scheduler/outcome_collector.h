// Group commit of outcomes: gathered for a moment, then recorded in one transaction.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "absl/time/time.h"
#include "libs/job_store/job.h"
#include "libs/job_store/job_store.h"
#include "services/scheduler/call_event.h"

namespace fleetcast::scheduler {

struct OutcomeCollectorOptions {
  absl::Duration gather = absl::Milliseconds(20);          // The oldest outcome waits so long for company,
  size_t gather_count = 500;                               // … or until there are so many.
  size_t batch_count_max = job_store::kRecordOutcomesMax;  // Most outcomes of one transaction,
  size_t batch_bytes_max = 4 << 20;                        // … and most bytes of payload.
  int writes_max = 2;                                      // Transactions under way at once.
  absl::Duration retry_after = absl::Milliseconds(200);    // After a failed transaction.
  size_t backlog_max = 20'000;                             // Beyond it nothing new is issued.
};

// What goes into one transaction.
struct OutcomeBatch {
  std::vector<job_store::Outcome> outcomes;
  std::vector<CallSource> sources;  // For each outcome: who reported it and remembers it.
};

// While transactions are under way more outcomes gather, so batches grow with the load. Pure, not thread-safe.
class OutcomeCollector {
 public:
  explicit OutcomeCollector(const OutcomeCollectorOptions& options) : options_(options) {}

  // Adds outcomes with their sources; `now` is steady time.
  void Add(std::vector<job_store::Outcome> outcomes, const std::vector<CallSource>& sources, absl::Duration now);

  // The next batch to record; empty when it is too early or enough are under way. Recorded or Failed must follow.
  OutcomeBatch Take(absl::Duration now);
  // The batch is in the database.
  void Recorded() { --writes_; }
  // It is not, or nobody knows: it is tried again, first of all (recording twice is harmless).
  void Failed(OutcomeBatch batch, absl::Duration now);

  // Steady time when Take will have something; infinite when a Recorded has to come first.
  absl::Duration next_take() const;
  // Everything gathered should go out at the next Take: the process is stopping, or a chunk is complete.
  void Hurry() { hurry_ = true; }

  size_t waiting() const { return waiting_.size(); }
  bool idle() const { return waiting_.empty() && writes_ == 0; }
  // So many wait that nothing new should be issued.
  bool is_full() const { return waiting_.size() >= options_.backlog_max; }

 private:
  const OutcomeCollectorOptions options_;
  struct Waiting {
    job_store::Outcome outcome;
    CallSource source;
  };
  std::deque<Waiting> waiting_;
  absl::Duration oldest_ = absl::InfiniteDuration();  // When the oldest waiting one came.
  absl::Duration not_before_ = -absl::InfiniteDuration();
  int writes_ = 0;
  bool hurry_ = false;
};

}  // namespace fleetcast::scheduler
