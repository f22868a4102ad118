#include "services/twin/target_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/status_macros.h"
#include "libs/query/query.h"
#include "libs/rpc/run_on.h"

namespace fleetcast::twin {

namespace pb = ::fleetcast::internal::v1;

grpc::ServerWriteReactor<pb::StreamTargetsResponse>* TargetService::StreamTargets(
    grpc::CallbackServerContext* context, const pb::StreamTargetsRequest* request) {
  using Out = rpc::ServerStream<pb::StreamTargetsResponse>;
  return rpc::StreamOn<pb::StreamTargetsResponse>(
      scan_workers_, context,
      [this, text = request->condition(), after = request->after_device_id()](const rpc::Call& call,
                                                                              Out& out) mutable -> absl::Status {
        FLEETCAST_ASSIGN_OR_RETURN(const query::Condition condition, query::ParseCondition(text));
        while (!call.stop.stop_requested()) {
          FLEETCAST_ASSIGN_OR_RETURN(std::vector<std::string> ids,
                                     queries_.Ids(call.deadline, condition, after, kTargetsPerPage));
          const bool is_last = ids.size() < static_cast<size_t>(kTargetsPerPage);
          if (!ids.empty()) after = ids.back();
          pb::StreamTargetsResponse page;
          for (std::string& id : ids) page.add_device_ids(std::move(id));
          if (page.device_ids_size() > 0 && !out.Send(std::move(page))) break;
          if (is_last) return absl::OkStatus();
        }
        return absl::CancelledError("the caller has gone");
      });
}

grpc::ServerUnaryReactor* TargetService::CountTargets(grpc::CallbackServerContext* context,
                                                      const pb::CountTargetsRequest* request,
                                                      pb::CountTargetsResponse* response) {
  return rpc::RunOn(scan_workers_, context, [this, request, response](const rpc::Call& call) -> absl::Status {
    FLEETCAST_ASSIGN_OR_RETURN(const query::Condition condition, query::ParseCondition(request->condition()));
    const int sample_size = std::clamp(request->sample_size(), 0, kTargetSampleMax);
    FLEETCAST_ASSIGN_OR_RETURN(TargetCount count, queries_.Count(call.deadline, condition, sample_size));
    response->set_count(count.count);
    response->set_connected_count(count.connected);
    for (std::string& id : count.sample) response->add_sample_device_ids(std::move(id));
    return absl::OkStatus();
  });
}

}  // namespace fleetcast::twin
