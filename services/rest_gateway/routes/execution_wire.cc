#include "services/rest_gateway/routes/execution_wire.h"

#include "services/rest_gateway/proto_time.h"
#include "services/rest_gateway/routes/job_wire.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {
namespace {

using jobs::v1::Execution;

std::string PrintOutcome(const Execution& execution) {
  if (execution.action_kind() != jobs::v1::ACTION_KIND_INVOKE_METHOD) {
    return ObjectWriter().Json("deviceMethodResponse", "").Finish();
  }
  const std::string response =
      ObjectWriter().Integer("status", execution.device_status()).Json("payload", execution.payload()).Finish();
  return ObjectWriter().Json("deviceMethodResponse", response).Finish();
}

}  // namespace

std::string_view StatusName(Execution::State state) {
  switch (state) {
    case Execution::STATE_PENDING: return "pending";
    case Execution::STATE_RUNNING: return "running";
    case Execution::STATE_SUCCEEDED: return "completed";
    case Execution::STATE_CANCELED: return "canceled";
    default: return "failed";
  }
}

std::vector<Execution::State> StatesOfStatus(std::string_view status) {
  if (status == "pending") return {Execution::STATE_PENDING};
  if (status == "running") return {Execution::STATE_RUNNING};
  if (status == "completed") return {Execution::STATE_SUCCEEDED};
  if (status == "failed") return {Execution::STATE_FAILED, Execution::STATE_TIMED_OUT};
  if (status == "canceled" || status == "cancelled") return {Execution::STATE_CANCELED};
  return {};
}

std::string PrintExecution(const Execution& execution) {
  const std::string_view status = StatusName(execution.state());
  ObjectWriter writer;
  writer.Text("deviceId", execution.device_id())
      .Text("jobId", execution.job_id())
      .Text("jobType", TypeName(execution.action_kind()))
      .Text("status", status);
  if (execution.has_start_time()) writer.Time("startTimeUtc", FromProto(execution.start_time()));
  if (execution.has_end_time()) writer.Time("endTimeUtc", FromProto(execution.end_time()));
  writer.Time("createdDateTimeUtc", FromProto(execution.create_time()));
  writer.Time("lastUpdatedDateTimeUtc",
              FromProto(execution.has_update_time() ? execution.update_time() : execution.create_time()));
  if (status == "completed") writer.Json("outcome", PrintOutcome(execution));
  if (status == "failed") {
    writer.Json("error", ObjectWriter()
                             .Text("code", execution.error().code())
                             .Text("description", execution.error().description())
                             .Finish());
  }
  return writer.Finish();
}

}  // namespace fleetcast::rest_gateway
