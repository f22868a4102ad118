// The words of the core as messages on its streams, and back.
#pragma once

#include <vector>

#include "fleetcast/internal/v1/delivery.pb.h"
#include "fleetcast/internal/v1/method_dispatch.pb.h"
#include "services/method_dispatch/pending_calls.h"

namespace fleetcast::method_dispatch {

pb::ExecutionKey ToProto(const ExecutionKey& key);
ExecutionKey FromProto(const pb::ExecutionKey& key);
pb::RecoverResult::Knowledge ToProto(Actions::Knowledge knowledge);

// Moves `outcome` into `event`.
void SetOutcome(CallOutcome& outcome, pb::JobCallEvent* event);

// A message of calls, each request stated once; and one of answers that were taken.
pb::DeliverRequest ToRequest(std::vector<Actions::Deliver> calls);
pb::DeliverRequest ToRequest(const std::vector<WaitingAnswer>& taken);

}  // namespace fleetcast::method_dispatch
