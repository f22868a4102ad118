#include "services/mqtt_edge/link/hub_link.h"

#include <utility>

#include "fleetcast/internal/v1/edge_link.grpc.pb.h"
#include "libs/base/mutex.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/client_stream.h"
#include "libs/telemetry/log.h"
#include "services/mqtt_edge/link/report_log.h"

namespace fleetcast::mqtt_edge {
namespace {

// Frames that wait for a slow replica before the stream is given up.
constexpr rpc::OutboxLimits kOutboxLimits = {.messages_max = 4096, .bytes_max = 64 << 20};

pb::NotSentReason ToProto(CallReport::Reason reason) {
  switch (reason) {
    case CallReport::Reason::kNotSubscribed: return pb::NOT_SENT_REASON_NOT_SUBSCRIBED;
    case CallReport::Reason::kPermitExpired: return pb::NOT_SENT_REASON_PERMIT_EXPIRED;
    case CallReport::Reason::kBusy: return pb::NOT_SENT_REASON_BUSY;
    case CallReport::Reason::kStaleRoute: return pb::NOT_SENT_REASON_STALE_ROUTE;
    case CallReport::Reason::kTooLarge: return pb::NOT_SENT_REASON_TOO_LARGE;
    case CallReport::Reason::kNone: break;
  }
  return pb::NOT_SENT_REASON_UNSPECIFIED;
}

void FillReport(const ReportLog::Entry& entry, pb::CallReport* out) {
  const CallReport& report = entry.report;
  out->set_sequence(entry.sequence);
  out->set_call_id(report.call_id);
  switch (report.kind) {
    case CallReport::Kind::kSent:
      out->mutable_sent()->set_session_epoch(report.epoch);
      out->mutable_sent()->set_sent_unix_micros(report.sent_unix_micros);
      break;
    case CallReport::Kind::kNotSent: out->mutable_not_sent()->set_reason(ToProto(report.reason)); break;
    case CallReport::Kind::kAnswer:
      out->mutable_answer()->set_device_status(report.device_status);
      out->mutable_answer()->set_session_epoch(report.epoch);
      out->mutable_answer()->set_payload(report.payload);
      out->mutable_answer()->set_waiting_session(report.session);
      break;
    case CallReport::Kind::kConnectionLost:
      out->mutable_unknown()->set_reason(pb::UNKNOWN_REASON_CONNECTION_LOST);
      break;
  }
}

}  // namespace

struct HubLink::State {
  using Stream = rpc::BidiClientStream<pb::AttachRequest, pb::AttachResponse>;

  State(LinkIndex index, const std::string& address, std::shared_ptr<grpc::ChannelInterface> channel,
        const EdgeIdentity& identity, HubLinkObserver& observer, telemetry::Counter dropped_reports)
      : index(index),
        address(address),
        identity(identity),
        observer(observer),
        dropped_reports(dropped_reports),
        stub(pb::EdgeLinkService::NewStub(channel)),
        stream(
            rpc::ClientStreamOptions{.peer = address, .outbox = kOutboxLimits},
            [this](grpc::ClientContext* context, Stream::Reactor* reactor) { stub->async()->Attach(context, reactor); },
            {.on_connected = [this] { Greet(); },
             .on_message = [this](pb::AttachResponse&& message) { OnMessage(std::move(message)); },
             .on_disconnected = [this](const absl::Status& why) { OnDisconnected(why); }}) {}

  void Greet() {
    pb::AttachRequest hello;
    hello.mutable_hello()->set_edge_id(identity.edge_id);
    hello.mutable_hello()->set_boot_id(identity.boot_id);
    hello.mutable_hello()->set_call_credit(kCallCredit);
    stream.TrySend(std::move(hello));
  }

  // The link stands once the replica has said hello; until then only Greet may send.
  void OnHubHello() {
    uint64_t now = 0;
    {
      MutexLock lock(mutex);
      reports.Rewind();
      attached = true;
      now = ++generation;
    }
    FLEETCAST_LOG(kInfo, "attached to device_connection", {{"peer", address}});
    observer.OnLinkAttached(index, now);
    MutexLock lock(mutex);
    SendReports(pb::AttachRequest());
  }

  void OnMessage(pb::AttachResponse&& message) {
    if (message.has_hello()) OnHubHello();
    if (message.acknowledged_report_sequence() > 0) {
      MutexLock lock(mutex);
      reports.Acknowledge(message.acknowledged_report_sequence());
    }
    if (!observer.OnFrame(index, std::make_shared<const pb::AttachResponse>(std::move(message)))) {
      FLEETCAST_LOG(kWarning, "the loops do not keep up: attaching again", {{"peer", address}});
      stream.Reset();
    }
  }

  void OnDisconnected(const absl::Status& why) {
    {
      MutexLock lock(mutex);
      if (!std::exchange(attached, false)) return;
    }
    if (why.ok()) {
      FLEETCAST_LOG(kInfo, "detached from device_connection", {{"peer", address}});
    } else {
      FLEETCAST_LOG(kWarning, "lost device_connection", {{"peer", address}, {"error", why}});
    }
    observer.OnLinkLost(index);
  }

  // Sends `frame` with as many reports as fit, and more frames with the rest.
  void SendReports(pb::AttachRequest frame) REQUIRES(mutex) {
    do {
      for (const ReportLog::Entry* entry : reports.TakeUnsent(kFrameReportsMax, kFrameBytesMax)) {
        FillReport(*entry, frame.add_call_reports());
      }
      if (frame.ByteSizeLong() == 0) return;
      if (!stream.TrySend(std::exchange(frame, {}))) return stream.Reset();
    } while (reports.has_unsent());
  }

  const LinkIndex index;
  const std::string address;
  const EdgeIdentity& identity;
  HubLinkObserver& observer;
  const telemetry::Counter dropped_reports;
  const std::unique_ptr<pb::EdgeLinkService::Stub> stub;
  Mutex mutex;
  ReportLog reports GUARDED_BY(mutex){kUnacknowledgedMax, kUnacknowledgedBytesMax};
  uint64_t generation GUARDED_BY(mutex) = 0;
  bool attached GUARDED_BY(mutex) = false;
  Stream stream;  // Last: its threads use all above.
};

HubLink::HubLink(std::unique_ptr<State> state) : state_(std::move(state)) {}
HubLink::~HubLink() = default;

absl::StatusOr<std::unique_ptr<HubLink>> HubLink::Create(LinkIndex index, const std::string& address,
                                                         const EdgeIdentity& identity, HubLinkObserver& observer,
                                                         telemetry::Counter dropped_reports) {
  auto channel = rpc::MakeChannel(address, {.own_connection = true});
  if (!channel.ok()) return channel.status();
  return std::unique_ptr<HubLink>(
      new HubLink(std::make_unique<State>(index, address, *std::move(channel), identity, observer, dropped_reports)));
}

void HubLink::Start() { state_->stream.Start(); }

void HubLink::Submit(uint64_t generation, pb::AttachRequest frame, std::vector<CallReport> reports) {
  MutexLock lock(state_->mutex);
  for (CallReport& report : reports) {
    const size_t dropped = state_->reports.Append(std::move(report));
    if (dropped > 0) state_->dropped_reports.Add(static_cast<double>(dropped));
  }
  if (!state_->attached) return;
  if (generation != state_->generation) frame.Clear();
  state_->SendReports(std::move(frame));
}

void HubLink::Shutdown(absl::Duration limit) { state_->stream.Shutdown(limit); }

}  // namespace fleetcast::mqtt_edge
