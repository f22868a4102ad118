#include "services/rest_gateway/routes/method_wire.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "services/rest_gateway/azure_errors.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {

absl::StatusOr<MethodCall> ParseMethodCall(const json::Value& object) {
  MethodCall call;
  FLEETCAST_ASSIGN_OR_RETURN(const std::optional<std::string> method, TextMember(&object, "methodName"));
  if (!method) return BadRequest(kArgumentNull, "the member methodName is missing");
  call.method = *method;
  FLEETCAST_ASSIGN_OR_RETURN(call.response_timeout_seconds, IntegerMember(&object, "responseTimeoutInSeconds"));
  if (!call.response_timeout_seconds) {
    FLEETCAST_ASSIGN_OR_RETURN(call.response_timeout_seconds, IntegerMember(&object, "timeoutInSeconds"));
  }
  FLEETCAST_ASSIGN_OR_RETURN(call.connect_timeout_seconds, IntegerMember(&object, "connectTimeoutInSeconds"));
  if (const json::Value* payload = FindMember(&object, "payload")) call.payload = json::Print(*payload);
  if (call.payload.size() > kPayloadBytesMax) {
    return BadRequest(kMessageTooLarge, absl::StrCat("the payload is larger than ", kPayloadBytesMax, " bytes"));
  }
  return call;
}

}  // namespace fleetcast::rest_gateway
