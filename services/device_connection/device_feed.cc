#include "services/device_connection/device_feed.h"

#include <string>
#include <utility>

namespace fleetcast::device_connection {

namespace pb = ::fleetcast::internal::v1;

void DeviceFeed::OnBatch(pb::PublishRequest& batch) {
  EdgeMessages messages;
  for (pb::DeviceChangeEvent& event : *batch.mutable_changes()) {
    switch (event.change_case()) {
      case pb::DeviceChangeEvent::kDesired: OnDesired(event.device_id(), *event.mutable_desired(), messages); break;
      case pb::DeviceChangeEvent::kRecord: OnRecord(event.device_id(), event.record(), messages); break;
      case pb::DeviceChangeEvent::CHANGE_NOT_SET: break;
    }
  }
  messages.Send();
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

void DeviceFeed::OnRecord(const std::string& device_id, const pb::DeviceRecordChanged& change, EdgeMessages& messages) {
  parts_.records.Invalidate(device_id);
  if (!change.disconnect()) return;
  parts_.changes.ForgetStored(device_id);
  const auto session = parts_.sessions.Find(device_id);
  const auto edge = session.has_value() ? parts_.edges.Find(*session->edge) : nullptr;
  if (edge == nullptr) return;
  pb::DisconnectSession* disconnect = messages.To(edge).add_disconnects();
  disconnect->set_session(session->session);
  disconnect->set_epoch(session->epoch);
  disconnect->set_reason(pb::DisconnectSession::REASON_ADMINISTRATIVE);
}

}  // namespace fleetcast::device_connection
