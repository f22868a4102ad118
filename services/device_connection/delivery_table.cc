#include "services/device_connection/delivery_table.h"

#include <algorithm>

#include <utility>

namespace fleetcast::device_connection {

using internal::v1::DeliverEvent;

bool DeliveryTable::Add(uint64_t call_id, DispatcherStream stream, EdgeNumber edge, int64_t edge_credit,
                        absl::Duration forget_at) {
  if (calls_.size() >= options_.calls_max) return false;
  int64_t& unreported = unreported_[edge];
  if (unreported >= edge_credit) return false;
  if (!calls_.emplace(call_id, Call{stream, edge, forget_at}).second) return false;
  ++unreported;
  return true;
}

void DeliveryTable::Remove(uint64_t call_id) {
  const auto call = calls_.find(call_id);
  if (call == calls_.end()) return;
  FreeCredit(call->second);
  calls_.erase(call);
}

void DeliveryTable::FreeCredit(Call& call) {
  if (std::exchange(call.is_reported, true)) return;
  const auto unreported = unreported_.find(call.edge);
  if (unreported != unreported_.end() && --unreported->second == 0) unreported_.erase(unreported);
}

RoutedEvent DeliveryTable::OnReport(DeliverEvent event, absl::Duration now) {
  const auto call = calls_.find(event.call_id());
  const DispatcherStream stream = call == calls_.end() ? 0 : call->second.stream;
  if (call != calls_.end()) {
    FreeCredit(call->second);
    if (event.answer().waiting_session() != 0) {
      call->second.is_answered = true;
    } else if (!event.has_sent() && !call->second.is_answered) {
      calls_.erase(call);
    }
  }
  if (stream == 0) KeepOrphan(event, now);
  return {stream, std::move(event)};
}

std::optional<EdgeNumber> DeliveryTable::TakeAnswer(uint64_t call_id) {
  const auto call = calls_.find(call_id);
  if (call == calls_.end() || !call->second.is_answered) return std::nullopt;
  const EdgeNumber edge = call->second.edge;
  calls_.erase(call);
  return edge;
}

std::vector<RoutedEvent> DeliveryTable::OnEdgeLost(EdgeNumber edge, absl::Duration now) {
  std::vector<RoutedEvent> ended;
  absl::erase_if(calls_, [&](const auto& entry) {
    const auto& [call_id, call] = entry;
    if (call.edge != edge) return false;
    if (call.is_answered) return true;  // It has ended; nobody is left to be told that it was taken.
    RoutedEvent& routed = ended.emplace_back();
    routed.stream = call.stream;
    routed.event.set_call_id(call_id);
    routed.event.mutable_unknown()->set_reason(internal::v1::UNKNOWN_REASON_EDGE_LOST);
    return true;
  });
  // In an order that does not hang on the table's: the simulation repeats its runs.
  std::sort(ended.begin(), ended.end(),
            [](const RoutedEvent& a, const RoutedEvent& b) { return a.event.call_id() < b.event.call_id(); });
  for (const RoutedEvent& routed : ended) {
    if (routed.stream == 0) KeepOrphan(routed.event, now);
  }
  unreported_.erase(edge);
  return ended;
}

void DeliveryTable::OnStreamGone(DispatcherStream stream) {
  for (auto& [call_id, call] : calls_) {
    if (call.stream == stream) call.stream = 0;
  }
}

void DeliveryTable::KeepOrphan(DeliverEvent event, absl::Duration now) {
  DropExpiredOrphans(now);
  if (orphans_.size() >= options_.orphans_max) orphans_.pop_front();
  orphans_.push_back({std::move(event), now + options_.orphan_ttl});
}

std::vector<DeliverEvent> DeliveryTable::Orphans(absl::Duration now) {
  DropExpiredOrphans(now);
  std::vector<DeliverEvent> events;
  for (const Orphan& orphan : orphans_) events.push_back(orphan.event);
  return events;
}

void DeliveryTable::OnTime(absl::Duration now) {
  DropExpiredOrphans(now);
  absl::erase_if(calls_, [&](auto& entry) {
    if (entry.second.forget_at > now) return false;
    FreeCredit(entry.second);
    return true;
  });
}

void DeliveryTable::DropExpiredOrphans(absl::Duration now) {
  while (!orphans_.empty() && orphans_.front().expire <= now) orphans_.pop_front();
}

}  // namespace fleetcast::device_connection
