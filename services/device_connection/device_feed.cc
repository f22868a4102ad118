#include "services/device_connection/device_feed.h"

#include <string>
#include <utility>

namespace fleetcast::device_connection {

namespace pb = ::fleetcast::internal::v1;

bool DeviceFeed::OnBatch(pb::PublishRequest& batch) {
  EdgeMessages messages;
  bool is_taken = true;
  for (pb::DeviceChangeEvent& event : *batch.mutable_changes()) {
    switch (event.change_case()) {
      case pb::DeviceChangeEvent::kDesired: OnDesired(event.device_id(), *event.mutable_desired(), messages); break;
      case pb::DeviceChangeEvent::kRecord:
        is_taken = OnRecord(event.device_id(), event.record(), messages) && is_taken;
        break;
      case pb::DeviceChangeEvent::CHANGE_NOT_SET: break;
    }
  }
  messages.Send();
  return is_taken;
}

void DeviceFeed::OnDesired(const std::string& device_id, pb::DesiredPropertiesChanged& change, EdgeMessages& messages) {
  const auto session = parts_.sessions.Find(device_id);
  const bool listens = session.has_value() && session->has(pb::SUBSCRIPTION_BIT_DESIRED);
  const auto edge = listens ? parts_.edges.Find(*session->edge) : nullptr;
  parts_.metrics.desired_changes.With({edge != nullptr ? "pushed" : listens ? "no_route" : "not_listening"}).Add();
  if (edge == nullptr) return;
  pb::DesiredChange* desired = messages.To(edge).add_desired_changes();
  desired->set_session(session->session);
  desired->set_epoch(session->epoch);
  desired->set_version(change.version());
  desired->set_patch(std::move(*change.mutable_patch()));
}

// Whoever may not stay goes at once where that is known; what else the change means for a session is found out.
bool DeviceFeed::OnRecord(const std::string& device_id, const pb::DeviceRecordChanged& change, EdgeMessages& messages) {
  parts_.records.Invalidate(device_id);
  if (!parts_.checks.Submit(device_id)) {
    parts_.metrics.refused.With({"check"}).Add();
    return false;
  }
  if (!change.disconnect()) return true;
  parts_.changes.ForgetStored(device_id);
  const auto session = parts_.sessions.Find(device_id);
  const auto edge = session.has_value() ? parts_.edges.Find(*session->edge) : nullptr;
  if (edge == nullptr) return true;
  pb::DisconnectSession* disconnect = messages.To(edge).add_disconnects();
  disconnect->set_session(session->session);
  disconnect->set_epoch(session->epoch);
  disconnect->set_reason(pb::DisconnectSession::REASON_ADMINISTRATIVE);
  return true;
}

}  // namespace fleetcast::device_connection
