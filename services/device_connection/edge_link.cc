#include "services/device_connection/edge_link.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "libs/telemetry/log.h"

namespace fleetcast::device_connection {

namespace pb = ::fleetcast::internal::v1;

namespace {

// Of an edge that does not say (edge_link.proto).
constexpr int64_t kCallCredit = 20'000;

bool IsEdgeId(const std::string& text) {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) || absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
           c == '.' || c == '-';
  });
}

bool IsBootId(const std::string& text) {
  return text.size() == 32 && std::all_of(text.begin(), text.end(),
                                          [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
}

}  // namespace

bool EdgeLink::Greet(const pb::EdgeHello& hello) {
  if (!IsEdgeId(hello.edge_id()) || !IsBootId(hello.boot_id())) {
    FLEETCAST_LOG(kWarning, "edge without a proper hello", {{"edge", hello.edge_id()}});
    outlet_->Abort();
    return false;
  }
  const int64_t credit = hello.call_credit() > 0 ? hello.call_credit() : kCallCredit;
  const Edges::Attached attached =
      parts_.edges.Attach({hello.edge_id(), hello.boot_id()}, outlet_, credit, parts_.clock.Monotonic());
  if (attached.replaced != nullptr) attached.replaced->outlet->Abort();
  edge_ = attached.edge;
  FLEETCAST_LOG(kInfo, "edge attached", {{"edge", hello.edge_id()}, {"boot", hello.boot_id()}});
  pb::AttachResponse response;
  response.mutable_hello()->set_hub_boot_id(parts_.hub_boot_id);
  return edge_->Send(std::move(response));
}

void EdgeLink::OnMessage(pb::AttachRequest message) {
  if (edge_ == nullptr && !Greet(message.hello())) return;
  parts_.edges.OnHeartbeat(*edge_, parts_.clock.Monotonic());
  if (message.has_status()) parts_.edges.OnStatus(*edge_, message.status());
  for (pb::OpenSession& open : *message.mutable_open_sessions()) parts_.opener.Submit(edge_, std::move(open));
  for (pb::LiveSession& live : *message.mutable_live_sessions()) parts_.changes.Announce(edge_, std::move(live));
  for (pb::SubscriptionChange& change : *message.mutable_subscription_changes()) {
    parts_.changes.Subscribe(edge_, std::move(change));
  }
  if (message.call_reports_size() > 0) TakeReports(message);
  for (pb::TwinRead& read : *message.mutable_twin_reads()) parts_.twin_operations.Read(edge_, std::move(read));
  for (pb::ReportedPatch& patch : *message.mutable_reported_patches()) {
    parts_.twin_operations.Patch(edge_, std::move(patch));
  }
  for (pb::SessionClosed& closed : *message.mutable_sessions_closed()) parts_.changes.Close(edge_, std::move(closed));
  for (const int64_t epoch : message.active_session_epochs()) {
    const std::string device_id = parts_.sessions.DeviceOf(epoch);
    if (!device_id.empty()) parts_.presence.Active(device_id, epoch);
  }
}

void EdgeLink::TakeReports(pb::AttachRequest& message) {
  pb::AttachResponse response;
  response.set_acknowledged_report_sequence(message.call_reports(message.call_reports_size() - 1).sequence());
  parts_.deliveries.OnReports(*message.mutable_call_reports());
  edge_->Send(std::move(response));
}

void EdgeLink::OnClosed(const absl::Status& why) {
  if (edge_ == nullptr) return;
  FLEETCAST_LOG(kInfo, "edge detached", {{"edge", edge_->name->edge_id}, {"why", why}});
  parts_.edges.Detach(*edge_, parts_.clock.Monotonic());
}

}  // namespace fleetcast::device_connection
