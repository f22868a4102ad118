#include "services/method_dispatch/dispatch_messages.h"

#include <utility>

#include "absl/container/flat_hash_map.h"

namespace fleetcast::method_dispatch {

pb::ExecutionKey ToProto(const ExecutionKey& key) {
  pb::ExecutionKey message;
  message.set_job_seq(key.job_seq);
  message.set_position(key.position);
  message.set_attempt(key.attempt);
  return message;
}

ExecutionKey FromProto(const pb::ExecutionKey& key) { return {key.job_seq(), key.position(), key.attempt()}; }

pb::RecoverResult::Knowledge ToProto(Actions::Knowledge knowledge) {
  switch (knowledge) {
    case Actions::Knowledge::kPending: return pb::RecoverResult::KNOWLEDGE_PENDING;
    case Actions::Knowledge::kFinished: return pb::RecoverResult::KNOWLEDGE_FINISHED;
    case Actions::Knowledge::kNotSeen: return pb::RecoverResult::KNOWLEDGE_NOT_SEEN;
  }
  return pb::RecoverResult::KNOWLEDGE_UNSPECIFIED;
}

void SetOutcome(CallOutcome& outcome, pb::JobCallEvent* event) {
  if (auto* sent = std::get_if<pb::Sent>(&outcome)) *event->mutable_sent() = std::move(*sent);
  if (auto* not_sent = std::get_if<pb::NotSent>(&outcome)) *event->mutable_not_sent() = std::move(*not_sent);
  if (auto* answer = std::get_if<pb::Answer>(&outcome)) *event->mutable_answer() = std::move(*answer);
  if (auto* unknown = std::get_if<pb::Unknown>(&outcome)) *event->mutable_unknown() = std::move(*unknown);
}

pb::DeliverRequest ToRequest(std::vector<Actions::Deliver> calls) {
  pb::DeliverRequest request;
  absl::flat_hash_map<const pb::MethodRequest*, int> index_of;
  request.mutable_calls()->Reserve(static_cast<int>(calls.size()));
  for (Actions::Deliver& delivery : calls) {
    const auto [known, is_new] = index_of.try_emplace(delivery.request.get(), request.requests_size());
    if (is_new) *request.add_requests() = *delivery.request;
    pb::DeliverCall* call = request.add_calls();
    call->set_call_id(delivery.call);
    call->set_device_id(std::move(delivery.device_id));
    call->set_request_index(known->second);
    call->set_permit_expire_unix_micros(absl::ToUnixMicros(delivery.permit_expire));
    call->set_answer_deadline_unix_micros(absl::ToUnixMicros(delivery.answer_deadline));
  }
  return request;
}

pb::DeliverRequest ToRequest(const std::vector<WaitingAnswer>& taken) {
  pb::DeliverRequest request;
  request.mutable_taken_answers()->Reserve(static_cast<int>(taken.size()));
  for (const WaitingAnswer& answer : taken) {
    pb::TakenAnswer* entry = request.add_taken_answers();
    entry->set_call_id(answer.call);
    entry->set_session(answer.session);
  }
  return request;
}

}  // namespace fleetcast::method_dispatch
