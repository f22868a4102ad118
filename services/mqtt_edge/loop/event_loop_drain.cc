// The end of a loop's connections: nothing is accepted any more, then one after the other goes, each when nothing is
// under way on it.
#include <algorithm>
#include <utility>

#include "fleetcast/internal/v1/edge_link.pb.h"
#include "services/mqtt_edge/loop/event_loop.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr absl::Duration kDrainPeriod = absl::Milliseconds(20);  // Closes of this time are made together.

}  // namespace

void EventLoop::Handle(const DrainOrder& message) {
  const absl::Duration now = clock_.Monotonic();
  drain_ = message;
  next_drain_ = now;
  next_heartbeat_ = now;  // device_connection hears of it at once.
  if (drain_schedule_.has_value()) drain_schedule_->ChangePace(message.pace, now);
  for (Leaving& leaving : leaving_) leaving.deadline = std::min(leaving.deadline, now + message.call_limit);
}

absl::Duration EventLoop::NextDrain() const {
  if (!drain_.has_value()) return absl::InfiniteDuration();
  if (!drain_schedule_.has_value()) return drain_->accept_until;
  absl::Duration next = drain_schedule_->NextAt();
  if (!leaving_.empty()) next = std::min(next, leaving_.front().deadline);
  return std::max(next, next_drain_);
}

void EventLoop::StopAccepting() {
  for (Listener& listener : listeners_) listener.fd = Fd();
  std::vector<SessionId> open;
  open.reserve(clients_.size() - free_slots_.size());
  for (const auto& client : clients_) {
    if (client != nullptr) open.push_back(client->session);
  }
  drain_schedule_.emplace(std::move(open), drain_->pace, clock_.Monotonic());
}

void EventLoop::DrainSome() {
  if (!drain_schedule_.has_value()) StopAccepting();
  const absl::Duration now = clock_.Monotonic();
  next_drain_ = now + kDrainPeriod;
  for (const SessionId session : drain_schedule_->TakeDue(now, random_)) {
    Client* client = Find(session);
    if (client == nullptr) continue;
    With(*client, [](Connection& connection, Turn& turn) { connection.Leave(turn); });
    if (Find(session) != nullptr) leaving_.push_back({session, now + drain_->call_limit});
  }
  while (!leaving_.empty()) {
    Client* client = Find(leaving_.front().session);
    if (client != nullptr && now < leaving_.front().deadline) break;
    if (client != nullptr) Lose(*client, CloseReason::kDraining);
    leaving_.pop_front();
  }
}

void EventLoop::TellStatus(pb::EdgeStatus* status) const {
  const bool is_empty = drain_schedule_.has_value() && totals_.connections == 0;
  status->set_state(is_empty             ? pb::EdgeStatus::STATE_DRAINED
                    : drain_.has_value() ? pb::EdgeStatus::STATE_DRAINING
                                         : pb::EdgeStatus::STATE_SERVING);
  status->set_sessions(static_cast<int64_t>(metrics_.sessions.value()));
  status->set_connections(totals_.connections);
}

}  // namespace fleetcast::mqtt_edge
