#include "services/mqtt_edge/link/link_outbox.h"

#include <utility>

#include "fleetcast/internal/v1/edge_link.pb.h"

namespace fleetcast::mqtt_edge {

LinkOutbox::LinkOutbox(HubLink* link) : link_(link), frame_(std::make_unique<pb::AttachRequest>()) {}
LinkOutbox::~LinkOutbox() = default;
LinkOutbox::LinkOutbox(LinkOutbox&&) noexcept = default;

namespace {

void AddSessionClosed(SessionId session, const std::string& device_id, int64_t epoch, pb::AttachRequest& frame) {
  pb::SessionClosed* closed = frame.add_sessions_closed();
  closed->set_session(session);
  closed->set_device_id(device_id);
  closed->set_epoch(epoch);
}

}  // namespace

void LinkOutbox::OnAttached(uint64_t generation) {
  is_attached_ = true;
  generation_ = generation;
  frame_->Clear();
  for (const Closed& closed : closed_) AddSessionClosed(closed.session, closed.device_id, closed.epoch, *frame_);
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

void LinkOutbox::AddClosed(SessionId session, std::string_view device_id, int64_t epoch, absl::Duration now) {
  while (!closed_.empty() && (closed_.size() >= kClosedMax || now - closed_.front().time > kClosedKept)) {
    closed_.pop_front();
  }
  closed_.push_back({now, session, std::string(device_id), epoch});
  if (!is_attached_) return;
  AddSessionClosed(session, closed_.back().device_id, epoch, *frame_);
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
