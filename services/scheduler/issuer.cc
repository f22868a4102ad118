#include "services/scheduler/issuer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "libs/telemetry/log.h"
#include "libs/telemetry/trace.h"
#include "services/scheduler/store_retry.h"

namespace fleetcast::scheduler {
namespace {

using job_store::ActionKind;
using job_store::IssueRequest;

// Statements that commit intents, under way at once. While they are, more intents gather for the next one.
constexpr int kMarksMax = 2;

}  // namespace

void Issuer::Issue() {
  if (context_.stopping || recorder_.is_full()) return;
  chunks_.SetPaces();
  // Intents that wait for a statement bound how far planning runs ahead of the database.
  if (to_mark_.size() < job_store::kLeaseChunksMax) {
    GiveTurns(ActionKind::kInvokeMethod);
    GiveTurns(ActionKind::kUpdateTwin);
  }
  Mark();
}

void Issuer::GiveTurns(ActionKind kind) {
  Lane& lane = context_.lane(kind);
  while (to_mark_.size() < job_store::kLeaseChunksMax) {
    const std::optional<Turn> turn = lane.planner().Next(lane.free());
    if (!turn.has_value() || !TakeTurn(lane, *turn)) return;
  }
}

// False when no peer has room.
bool Issuer::TakeTurn(Lane& lane, const Turn& turn) {
  HeldChunk* held = chunks_.NextReady(turn.job_seq);
  if (held == nullptr) return true;
  chunks_.Touch(*held);  // The planner was charged for the turn; Settle sets its counts right.
  const std::optional<Destination> to = lane.Roomiest();
  if (!to.has_value()) return false;
  int64_t limit = std::min<int64_t>(turn.targets, lane.peer(to->peer).free());
  std::optional<Pacer>& pacer = held->job->pacer;
  if (pacer.has_value()) limit = std::min(limit, held->run->again() + pacer->room());
  if (limit <= 0) {  // What this chunk has are new targets, and there is room only for those of others that are not.
    chunks_.PutLast(*held);
    return true;
  }
  Pending pending{HeldChunks::HoldingOf(*held), held->run->BeginIssue(static_cast<int>(limit)), *to, &lane,
                  context_.now.wall};
  const int taken = pending.intent.positions.size();
  if (taken == 0) return true;
  chunks_.CountIssued(*held);
  const int retried = static_cast<int>((pending.intent.positions - pending.intent.mark).size());
  if (pacer.has_value()) pacer->Started(taken, retried);
  lane.Took(to->peer, taken);
  held->intending += taken;
  lane.planner().Took(turn.job_seq, taken);
  held->taken += taken;
  if (!pending.intent.needs_commit()) {
    Send(*held, pending);
  } else {
    to_mark_.push_back(std::move(pending));
  }
  return true;
}

void Issuer::Mark() {
  if (to_mark_.empty() || marks_under_way_ >= kMarksMax || context_.now.steady < mark_not_before_) return;
  ++marks_under_way_;
  auto pending = std::make_shared<std::vector<Pending>>(std::exchange(to_mark_, {}));
  std::vector<IssueRequest> requests;
  requests.reserve(pending->size());
  for (Pending& one : *pending) {
    one.begun = context_.now.wall;
    requests.push_back({one.holding.lease, one.intent.mark, one.intent.retries});
  }
  context_.CallStore(
      [requests = std::move(requests)](job_store::JobStore& store, absl::Time deadline) {
        return store.MarkIssued(deadline, requests);
      },
      [this, pending](const absl::StatusOr<std::vector<bool>>& answers) { OnMarked(std::move(*pending), answers); });
}

void Issuer::OnMarked(std::vector<Pending> marked, const absl::StatusOr<std::vector<bool>>& answers) {
  --marks_under_way_;
  if (!answers.ok()) {
    mark_not_before_ = context_.now.steady + kStorePause;  // What goes out again is ready again at once.
    context_.metrics.store_failures.With({"mark"}).Add();
    FLEETCAST_LOG_EVERY(kWarning, kLogEvery, "intents not committed", {{"error", answers.status()}});
  }
  for (size_t i = 0; i < marked.size(); ++i) {
    const Pending& pending = marked[i];
    HeldChunk* held = chunks_.Find(pending.holding);
    const int taken = pending.intent.positions.size();
    if (held == nullptr) {  // Replaced meanwhile: the new holding asks what became of its calls.
      pending.lane->Released(pending.to, taken);
      continue;
    }
    chunks_.Touch(*held);
    const bool committed = answers.ok() && (*answers)[i];
    const bool may_send = committed && !held->run->lost() && chunks_.MayIssue(*held) &&
                          pending.lane->Stands(pending.to) && !context_.stopping &&
                          context_.now.wall < pending.begun + context_.options.permit;
    if (may_send) {
      Send(*held, pending);
      continue;
    }
    held->intending -= taken;
    pending.lane->Released(pending.to, taken);
    held->run->NotIssued(pending.intent, committed);
    if (answers.ok() && !committed) chunks_.Lose(*held);
  }
}

void Issuer::Send(HeldChunk& held, const Pending& pending) {
  held.intending -= pending.intent.positions.size();
  context_.metrics.issue_batch.Observe(pending.intent.positions.size());
  chunks_.Touch(held);
  if (held.method != nullptr) {
    SendCalls(held, pending);
  } else {
    SendSlices(held, pending);
  }
}

void Issuer::SendCalls(HeldChunk& held, const Pending& pending) {
  MethodChunk& chunk = *held.method;
  const int dispatcher = pending.to.peer;
  ChunkActions actions;
  const auto sent =
      chunk.Issued(pending.intent, dispatcher, context_.methods.peer(dispatcher).boot, context_.now, actions);
  context_.metrics.retries.Add(static_cast<double>(pending.intent.retries.size()));
  // Those that ended while the intent was committed are not sent.
  context_.methods.Released(pending.to, pending.intent.positions.size() - sent.size());
  telemetry::Span span("dispatch batch", {.kind = telemetry::SpanKind::kProducer, .parent = held.span.context()});
  span.SetAttribute("fleetcast.targets", sent.size());
  CallBatch batch{.job = &chunk.job(),
                  .permit_end = pending.begun + context_.options.permit,
                  .traceparent = telemetry::ToTraceparent(span.context()),
                  .calls = {}};
  const int64_t first = int64_t{chunk.lease().key.chunk_no} * job_store::kChunkTargets;
  batch.calls.reserve(static_cast<size_t>(sent.size()));
  for (const int position : sent.ToVector()) {
    batch.calls.push_back({first + position, chunk.device_id(position), chunk.attempt(position)});
  }
  const bool is_sent = sent.empty() || context_.effects.SendCalls(dispatcher, batch);
  for (const int position : is_sent ? std::vector<int>() : sent.ToVector()) {
    CallEvent refused;  // Nothing left this process: that is proof.
    refused.attempt = chunk.attempt(position);
    refused.kind = CallEvent::Kind::kNotSent;
    refused.not_sent = NotSentReason::kOverloaded;
    chunk.OnEvent(position, dispatcher, refused, context_.now, actions);
  }
  chunks_.Act(held, actions);
}

void Issuer::SendSlices(HeldChunk& held, const Pending& pending) {
  TwinChunk& chunk = *held.twin;
  telemetry::Span span("write batch", {.kind = telemetry::SpanKind::kProducer, .parent = held.span.context()});
  span.SetAttribute("fleetcast.targets", pending.intent.positions.size());
  SliceBatch batch{.job = &chunk.job(),
                   .permit_end = pending.begun + context_.options.permit,
                   .traceparent = telemetry::ToTraceparent(span.context()),
                   .slices = {}};
  const std::vector<int> numbers = chunk.Issued(pending.intent, pending.to.peer, context_.now);
  for (const int number : numbers) batch.slices.push_back({chunk.lease().key, number, chunk.DevicesOf(number)});
  if (context_.effects.SendSlices(pending.to.peer, batch)) return;
  ChunkActions actions;  // Nothing left this process: that is proof.
  for (const int number : numbers) {
    const SliceResult refused{.chunk = chunk.lease().key,
                              .slice = number,
                              .disposition = SliceResult::Disposition::kNotApplied,
                              .failures = {}};
    chunk.OnResult(refused, context_.now, actions);
  }
  chunks_.Act(held, actions);
}

void Issuer::Clear() {
  for (const job_store::ChunkKey& key : chunks_.TakeClears()) to_clear_.push_back(key);
  if (to_clear_.empty() || clear_under_way_ || context_.now.steady < clear_not_before_) return;
  auto clearing = std::make_shared<std::vector<Clearing>>();
  std::vector<IssueRequest> requests;
  while (!to_clear_.empty() && requests.size() < job_store::kLeaseChunksMax) {
    HeldChunk* held = chunks_.Find(to_clear_.back());
    to_clear_.pop_back();
    if (held == nullptr || !held->run->wants_clear()) continue;
    clearing->push_back({HeldChunks::HoldingOf(*held), held->run->BeginClear()});
    requests.push_back({clearing->back().holding.lease, clearing->back().positions});
    chunks_.Touch(*held);
  }
  if (requests.empty()) return;
  clear_under_way_ = true;
  context_.CallStore(
      [requests = std::move(requests)](job_store::JobStore& store, absl::Time deadline) {
        return store.ClearIssued(deadline, requests);
      },
      [this, clearing](const absl::StatusOr<std::vector<bool>>& answers) { OnCleared(*clearing, answers); });
}

void Issuer::OnCleared(const std::vector<Clearing>& cleared, const absl::StatusOr<std::vector<bool>>& answers) {
  clear_under_way_ = false;
  if (!answers.ok()) {
    context_.metrics.store_failures.With({"clear"}).Add();
    FLEETCAST_LOG_EVERY(kWarning, kLogEvery, "intents not taken back yet", {{"error", answers.status()}});
    clear_not_before_ = context_.now.steady + kStorePause;
  }
  for (size_t i = 0; i < cleared.size(); ++i) {
    HeldChunk* held = chunks_.Find(cleared[i].holding);
    if (held == nullptr) continue;
    held->run->EndClear(cleared[i].positions, answers.ok());
    chunks_.Touch(*held);
    if (answers.ok() && !(*answers)[i]) chunks_.Lose(*held);
  }
}

}  // namespace fleetcast::scheduler
