#include "services/scheduler/dispatch_link.h"

#include <algorithm>
#include <utility>

#include "fleetcast/internal/v1/method_dispatch.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/client_stream.h"

namespace fleetcast::scheduler {
namespace {

namespace pb = fleetcast::internal::v1;

using DispatchStream = rpc::BidiClientStream<pb::DispatchRequest, pb::DispatchResponse>;

// Device ids of one kind in one message; at most 128 bytes each.
constexpr size_t kUnwatchMax = 10'000;

NotSentReason FromProto(pb::NotSentReason reason) {
  switch (reason) {
    case pb::NOT_SENT_REASON_OFFLINE:
    case pb::NOT_SENT_REASON_NOT_SUBSCRIBED: return NotSentReason::kOffline;
    case pb::NOT_SENT_REASON_PERMIT_EXPIRED: return NotSentReason::kPermitExpired;
    case pb::NOT_SENT_REASON_BUSY: return NotSentReason::kBusy;
    case pb::NOT_SENT_REASON_DEVICE_NOT_FOUND: return NotSentReason::kDeviceNotFound;
    case pb::NOT_SENT_REASON_DEVICE_DISABLED: return NotSentReason::kDeviceDisabled;
    case pb::NOT_SENT_REASON_TOO_LARGE: return NotSentReason::kTooLarge;
    default: return NotSentReason::kOverloaded;  // Stale route, overloaded, and what newer peers may say.
  }
}

UnknownReason FromProto(pb::UnknownReason reason) {
  switch (reason) {
    case pb::UNKNOWN_REASON_CONNECTION_LOST: return UnknownReason::kConnectionLost;
    case pb::UNKNOWN_REASON_RESPONSE_TIMEOUT: return UnknownReason::kResponseTimeout;
    default: return UnknownReason::kEdgeLost;
  }
}

// False when the event says nothing that we know.
bool FromProto(pb::JobCallEvent& from, CallEvent& to) {
  to.job_seq = from.key().job_seq();
  to.target = from.key().position();
  to.attempt = from.key().attempt();
  switch (from.event_case()) {
    case pb::JobCallEvent::kSent: to.kind = CallEvent::Kind::kSent; return true;
    case pb::JobCallEvent::kNotSent:
      to.kind = CallEvent::Kind::kNotSent;
      to.not_sent = FromProto(from.not_sent().reason());
      return true;
    case pb::JobCallEvent::kAnswer:
      to.kind = CallEvent::Kind::kAnswer;
      to.device_status = from.answer().device_status();
      to.payload = std::move(*from.mutable_answer()->mutable_payload());
      return true;
    case pb::JobCallEvent::kUnknown:
      to.kind = CallEvent::Kind::kUnknown;
      to.unknown = FromProto(from.unknown().reason());
      return true;
    case pb::JobCallEvent::EVENT_NOT_SET: break;
  }
  return false;
}

Knowledge FromProto(pb::RecoverResult::Knowledge knowledge) {
  switch (knowledge) {
    case pb::RecoverResult::KNOWLEDGE_PENDING: return Knowledge::kPending;
    case pb::RecoverResult::KNOWLEDGE_NOT_SEEN: return Knowledge::kNotSeen;
    default: return Knowledge::kFinished;  // Also what newer peers may say: wait for the event, prove nothing.
  }
}

void ToProto(const TargetName& name, pb::ExecutionKey* key) {
  key->set_job_seq(name.job_seq);
  key->set_position(name.target);
  key->set_attempt(name.attempt);
}

}  // namespace

struct DispatchLink::State {
  std::string owner;
  DispatchLinkCallbacks callbacks;
  std::unique_ptr<pb::MethodDispatchService::Stub> stub;
  bool up = false;  // Used by the stream's callbacks only.
  std::unique_ptr<DispatchStream> stream;

  void OnConnected() {
    pb::DispatchRequest hello;
    hello.mutable_hello()->set_owner(owner);
    stream->TrySend(std::move(hello));
  }

  void OnDisconnected() {
    if (std::exchange(up, false)) callbacks.on_down();
  }

  void OnMessage(pb::DispatchResponse&& message) {
    if (message.has_hello()) {
      up = true;
      callbacks.on_up(absl::FromUnixMicros(message.hello().boot_unix_micros()));
    }
    if (!up) return stream->Reset();  // The first message has to be the hello.
    if (message.credit() > 0) callbacks.on_credit(message.credit());
    if (message.recovered_size() > 0) {
      std::vector<TargetKnowledge> answers;
      answers.reserve(static_cast<size_t>(message.recovered_size()));
      for (const pb::RecoverResult& result : message.recovered()) {
        const pb::ExecutionKey& key = result.key();
        answers.push_back({{key.job_seq(), key.position(), key.attempt()}, FromProto(result.knowledge())});
      }
      callbacks.on_knowledge(std::move(answers));
    }
    if (message.events_size() > 0) {
      std::vector<CallEvent> events(static_cast<size_t>(message.events_size()));
      size_t known = 0;
      for (pb::JobCallEvent& event : *message.mutable_events()) known += FromProto(event, events[known]) ? 1 : 0;
      events.resize(known);
      callbacks.on_events(std::move(events));
    }
    if (message.ready_device_ids_size() > 0) {
      callbacks.on_ready({message.ready_device_ids().begin(), message.ready_device_ids().end()});
    }
    if (message.watch_refused_device_ids_size() > 0) {
      callbacks.on_watch_refused(
          {message.watch_refused_device_ids().begin(), message.watch_refused_device_ids().end()});
    }
  }
};

absl::StatusOr<std::unique_ptr<DispatchLink>> DispatchLink::Make(const std::string& address, const std::string& owner,
                                                                 DispatchLinkCallbacks callbacks) {
  FLEETCAST_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelInterface> channel,
                             rpc::MakeChannel(address, {.own_connection = true}));
  auto state = std::make_unique<State>();
  state->owner = owner;
  state->callbacks = std::move(callbacks);
  state->stub = pb::MethodDispatchService::NewStub(channel);
  State* raw = state.get();
  state->stream = std::make_unique<DispatchStream>(
      rpc::ClientStreamOptions{.peer = address},
      [raw](grpc::ClientContext* context, auto* reactor) { raw->stub->async()->Dispatch(context, reactor); },
      DispatchStream::Callbacks{
          .on_connected = [raw] { raw->OnConnected(); },
          .on_message = [raw](pb::DispatchResponse&& message) { raw->OnMessage(std::move(message)); },
          .on_disconnected = [raw](const absl::Status&) { raw->OnDisconnected(); }});
  return std::unique_ptr<DispatchLink>(new DispatchLink(std::move(state)));
}

DispatchLink::DispatchLink(std::unique_ptr<State> state) : state_(std::move(state)) {}
DispatchLink::~DispatchLink() = default;

void DispatchLink::Start() { state_->stream->Start(); }
void DispatchLink::Shutdown(absl::Duration limit) { state_->stream->Shutdown(limit); }

bool DispatchLink::SendCalls(const CallBatch& batch) {
  const auto& action = std::get<job_store::MethodAction>(batch.job->spec.action);
  pb::DispatchRequest request;
  pb::JobCallBatch* calls = request.add_batches();
  calls->set_job_seq(batch.job->seq);
  calls->set_method(action.method);
  calls->set_payload(action.payload.empty() ? "null" : action.payload);
  calls->set_response_timeout_micros(absl::ToInt64Microseconds(action.response_timeout));
  calls->set_permit_expire_unix_micros(absl::ToUnixMicros(batch.permit_end));
  calls->set_traceparent(batch.traceparent);
  calls->mutable_targets()->Reserve(static_cast<int>(batch.calls.size()));
  for (const CallBatch::Call& call : batch.calls) {
    pb::JobCallTarget* target = calls->add_targets();
    target->set_position(call.target);
    target->set_attempt(call.attempt);
    target->set_device_id(call.device_id.data(), call.device_id.size());
  }
  return state_->stream->TrySend(std::move(request));
}

bool DispatchLink::Ask(std::span<const TargetName> targets) {
  pb::DispatchRequest request;
  for (const TargetName& name : targets) ToProto(name, request.add_recover());
  return state_->stream->TrySend(std::move(request));
}

void DispatchLink::Acknowledge(std::span<const TargetName> targets) {
  pb::DispatchRequest request;
  for (const TargetName& name : targets) ToProto(name, request.add_acknowledge());
  state_->stream->TrySend(std::move(request));
}

bool DispatchLink::Watch(std::span<const std::string> watch, std::span<const std::string> unwatch) {
  while (unwatch.size() > kUnwatchMax) {
    pb::DispatchRequest request;
    for (const std::string& device_id : unwatch.first(kUnwatchMax)) request.add_unwatch_device_ids(device_id);
    if (!state_->stream->TrySend(std::move(request))) return false;
    unwatch = unwatch.subspan(kUnwatchMax);
  }
  pb::DispatchRequest request;
  for (const std::string& device_id : unwatch) request.add_unwatch_device_ids(device_id);
  for (const std::string& device_id : watch) request.add_watch_device_ids(device_id);
  return state_->stream->TrySend(std::move(request));
}

}  // namespace fleetcast::scheduler
