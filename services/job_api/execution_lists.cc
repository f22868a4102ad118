#include "services/job_api/execution_lists.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/job_api/job_proto.h"
#include "services/job_api/list_requests.h"

namespace fleetcast::job_api {

absl::Status ExecutionLists::List(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                                  jobs::v1::ListExecutionsResponse& response) {
  if (!request.job_id().empty() && !request.device_id().empty()) return ListOne(call, request, response);
  if (!request.job_id().empty()) return ListOfJob(call, request, response);
  if (!request.device_id().empty()) return ListOfDevice(call, request, response);
  return rpc::InvalidFields({{"job_id", "job_id or device_id is required"}}, reasons::kInvalidValue);
}

absl::Status ExecutionLists::ListOfJob(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                                       jobs::v1::ListExecutionsResponse& response) {
  const std::string states_key = StatesKey(request.states());
  const std::vector<std::string_view> bound = {"ListExecutions/job", request.job_id(), states_key};
  job_store::ListExecutionsRequest list;
  list.job_id = request.job_id();
  FLEETCAST_RETURN_IF_ERROR(ReadKind(request.action_kind()).status());
  FLEETCAST_ASSIGN_OR_RETURN(list.page_size, ReadPageSize(request.page_size()));
  FLEETCAST_ASSIGN_OR_RETURN(list.states, ReadStates<ExecutionState>(request.states(), ExecutionState::kCanceled));
  FLEETCAST_ASSIGN_OR_RETURN(list.after_n, OpenToken(tokens_, request.page_token(), bound));
  FLEETCAST_ASSIGN_OR_RETURN(const auto page, store_.ListExecutions(call.deadline, list));
  for (const job_store::Execution& execution : page.entries) {
    const auto kind = static_cast<jobs::v1::ActionKind>(execution.kind);
    if (request.action_kind() == jobs::v1::ACTION_KIND_UNSPECIFIED || request.action_kind() == kind) {
      ToProto(execution, response.add_executions());
    }
  }
  if (page.next.has_value()) response.set_next_page_token(tokens_.Seal(absl::StrCat(*page.next), bound));
  return absl::OkStatus();
}

absl::Status ExecutionLists::ListOfDevice(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                                          jobs::v1::ListExecutionsResponse& response) {
  const std::string states_key = StatesKey(request.states());
  const std::string kind_key = absl::StrCat(request.action_kind());
  const std::vector<std::string_view> bound = {"ListExecutions/device", request.device_id(), states_key, kind_key};
  job_store::ListDeviceExecutionsRequest list;
  list.device_id = request.device_id();
  FLEETCAST_ASSIGN_OR_RETURN(list.page_size, ReadPageSize(request.page_size()));
  FLEETCAST_ASSIGN_OR_RETURN(list.kind, ReadKind(request.action_kind()));
  FLEETCAST_ASSIGN_OR_RETURN(list.states, ReadStates<ExecutionState>(request.states(), ExecutionState::kCanceled));
  FLEETCAST_ASSIGN_OR_RETURN(list.before_seq, OpenToken(tokens_, request.page_token(), bound));
  FLEETCAST_ASSIGN_OR_RETURN(const auto page, store_.ListExecutionsOfDevice(call.deadline, list));
  for (const job_store::Execution& execution : page.entries) ToProto(execution, response.add_executions());
  if (page.next.has_value()) response.set_next_page_token(tokens_.Seal(absl::StrCat(*page.next), bound));
  return absl::OkStatus();
}

absl::Status ExecutionLists::ListOne(const rpc::Call& call, const jobs::v1::ListExecutionsRequest& request,
                                     jobs::v1::ListExecutionsResponse& response) {
  FLEETCAST_ASSIGN_OR_RETURN(const auto states,
                             ReadStates<ExecutionState>(request.states(), ExecutionState::kCanceled));
  const absl::StatusOr<job_store::Execution> execution =
      store_.GetExecution(call.deadline, request.job_id(), request.device_id());
  if (!execution.ok() && GetReason(execution.status()) == reasons::kExecutionNotFound) return absl::OkStatus();
  FLEETCAST_RETURN_IF_ERROR(execution.status());
  if (states.empty() || states.contains(execution->state)) ToProto(*execution, response.add_executions());
  return absl::OkStatus();
}

}  // namespace fleetcast::job_api
