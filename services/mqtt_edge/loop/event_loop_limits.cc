// What a loop does so that no storm and no attack takes more of the process than there is: CONNECTs in their turn,
// refusals that come late, and an end of buffers.
#include <algorithm>
#include <vector>

#include "services/mqtt_edge/loop/event_loop.h"
#include "services/mqtt_edge/loop/event_loop_internal.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr size_t kHeldRefusalsMax = 4096;  // Each is an open socket; more are told at once.
constexpr absl::Duration kHoldMax = absl::Seconds(30);
constexpr absl::Duration kSourceHoldMin = absl::Seconds(5);
constexpr absl::Duration kSourceHoldSpan = absl::Seconds(10);
constexpr absl::Duration kShedPeriod = absl::Milliseconds(100);
constexpr absl::Duration kBehind = absl::Milliseconds(100);  // A turn that takes longer has no time for more devices.

double Share(Random& random) { return static_cast<double>(random.Below(1000)) / 1000; }

}  // namespace

absl::Duration EventLoop::UntilAccepting(absl::Duration now) const {
  const bool is_full =
      totals_.connections >= options_.connections_max || clients_.size() - free_slots_.size() >= kSlotsMax;
  if (is_full) return kAcceptPause;
  if (pressure_ != BufferBudget::Pressure::kNone) {
    metrics_.CountLimited(Limited::kBuffersHeld);
    return kAcceptPause;
  }
  if (now - turn_began_ > kBehind) {
    metrics_.CountLimited(Limited::kBehind);
    return kAcceptPause;
  }
  return std::max(admission_.UntilAccepting(now), connects_.Until(options_.connects, now));
}

bool EventLoop::Admit(Client& client) {
  if (client.admission == Admission::kUndecided) {
    const absl::Duration now = clock_.Monotonic();
    const ConnectAdmission::Verdict verdict = admission_.Decide(now, Share(random_));
    client.admission = Admission::kDecided;
    if (!verdict.is_admitted) client.connection.RefuseConnect();
    if (verdict.wait > absl::ZeroDuration()) {
      metrics_.CountLimited(verdict.is_admitted ? Limited::kConnectsHeld : Limited::kConnectsRefused);
      client.admission = Admission::kWaiting;
      waiting_.push({now + verdict.wait, client.session});
    }
  }
  if (client.admission == Admission::kDecided) return true;
  PauseReading(client);
  return false;
}

void EventLoop::AdmitThoseWhoWaited() {
  while (!waiting_.empty() && waiting_.top().until <= clock_.Monotonic()) {
    Client* client = Find(waiting_.top().session);
    waiting_.pop();
    if (client == nullptr) continue;
    client->admission = Admission::kDecided;
    Settle(*client);
  }
}

// Failures alone are counted, and failures alone are slowed down: devices behind the same address that are let in
// notice nothing.
absl::Duration EventLoop::HoldRefusal(Client& client, mqtt::ConnectCode code, absl::Duration wanted) {
  if (client.connection.state() != Connection::State::kAuthenticating) return absl::ZeroDuration();
  absl::Duration hold = std::clamp(wanted, absl::ZeroDuration(), kHoldMax);
  if (hold > absl::ZeroDuration()) metrics_.CountLimited(Limited::kRefusalsHeld);
  const bool is_failure = code != mqtt::ConnectCode::kServerUnavailable;  // Else it proved who it is, or nobody asked.
  if (is_failure && !source_refusals_.TryTake(SourceOf(client.peer), clock_.Monotonic())) {
    metrics_.CountLimited(Limited::kSourceRefusals);
    hold = std::max(hold, kSourceHoldMin + kSourceHoldSpan * Share(random_));
  }
  if (hold == absl::ZeroDuration() || held_refusals_ >= kHeldRefusalsMax) return absl::ZeroDuration();
  client.is_refusal_held = true;
  ++held_refusals_;
  return hold;
}

void EventLoop::CountBuffers(Client& client) {
  const size_t head = client.web_socket != nullptr ? client.web_socket->head_bytes() : 0;
  const auto bytes = static_cast<int64_t>(client.backlog.size() + client.connection.buffered_bytes() + head);
  const int64_t more = bytes - client.buffered_bytes;
  if (more == 0) return;
  client.buffered_bytes = bytes;
  buffered_bytes_ += more;
  totals_.buffered_bytes += more;
  metrics_.buffered_bytes.Add(static_cast<double>(more));
}

void EventLoop::LookAtBuffers() {
  const BufferBudget::Pressure before = pressure_;
  pressure_ = budget_.Look(totals_.buffered_bytes, clock_.Monotonic());
  if (pressure_ == BufferBudget::Pressure::kShed) ShedBuffers();
  if (before == BufferBudget::Pressure::kNone || pressure_ != BufferBudget::Pressure::kNone) return;
  for (const auto& client : clients_) {
    if (client != nullptr && client->is_read_paused) Resume(*client);
  }
}

void EventLoop::ShedBuffers() {
  const absl::Duration now = clock_.Monotonic();
  const int64_t excess = budget_.ToShed(totals_.buffered_bytes, buffered_bytes_);
  if (now < shed_again_at_ || excess == 0) return;
  shed_again_at_ = now + kShedPeriod;  // The walk over all connections is not for every turn.
  std::vector<ShedCandidate> candidates;
  for (const auto& client : clients_) {
    if (client == nullptr || client->buffered_bytes == 0) continue;
    const bool is_connected = client->connection.state() == Connection::State::kConnected;
    candidates.push_back({SlotOf(client->session), is_connected, client->buffered_bytes});
  }
  for (const uint32_t slot : ChooseToShed(candidates, excess)) {
    metrics_.CountLimited(Limited::kBuffersShed);
    Lose(*clients_[slot], CloseReason::kBufferBudget);
  }
}

}  // namespace fleetcast::mqtt_edge
