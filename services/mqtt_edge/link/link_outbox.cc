#include "services/mqtt_edge/link/link_outbox.h"

#include <utility>

#include "fleetcast/internal/v1/edge_link.pb.h"

namespace fleetcast::mqtt_edge {

LinkOutbox::LinkOutbox(HubLink* link) : link_(link), frame_(std::make_unique<pb::AttachRequest>()) {}
LinkOutbox::~LinkOutbox() = default;
LinkOutbox::LinkOutbox(LinkOutbox&&) noexcept = default;

void LinkOutbox::Write(const Closed& closed, pb::AttachRequest& frame) {
  pb::SessionClosed* out = frame.add_sessions_closed();
  out->set_session(closed.session);
  out->set_device_id(closed.device_id);
  out->set_epoch(closed.epoch);
  if (closed.session_expiry_seconds.has_value()) out->set_session_expiry_seconds(*closed.session_expiry_seconds);
}

void LinkOutbox::OnAttached(uint64_t generation) {
  is_attached_ = true;
  generation_ = generation;
  frame_->Clear();
  for (const Closed& closed : closed_) Write(closed, *frame_);
  Grow(closed_.size());
}

void LinkOutbox::OnLost() {
  is_attached_ = false;
  frame_->Clear();
  bytes_ = 0;
}

void LinkOutbox::Grow(size_t bytes) {
  is_dirty_ = true;
  bytes_ += bytes;
  if (bytes_ > kFrameBytesMax) Flush();
}

void LinkOutbox::AddReport(CallReport report, absl::Duration now) {
  reports_.Add(std::move(report), now);
  if (reports_.bytes() > kFrameBytesMax) Flush();
}

void LinkOutbox::AddClosed(SessionId session, std::string_view device_id, int64_t epoch, absl::Duration now,
                           std::optional<uint32_t> session_expiry_seconds) {
  while (!closed_.empty() && (closed_.size() >= kClosedMax || now - closed_.front().time > kClosedKept)) {
    closed_.pop_front();
  }
  closed_.push_back({now, session, std::string(device_id), epoch, session_expiry_seconds});
  if (!is_attached_) return;
  Write(closed_.back(), *frame_);
  Grow(device_id.size());
}

void LinkOutbox::Flush() {
  if (!is_dirty_ && reports_.due() == absl::InfiniteDuration()) return;
  is_dirty_ = false;
  frame_due_ = absl::InfiniteDuration();
  bytes_ = 0;
  link_->Submit(generation_, std::exchange(*frame_, {}), reports_.Take());
}

}  // namespace fleetcast::mqtt_edge
