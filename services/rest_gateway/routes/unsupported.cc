#include "services/rest_gateway/routes/unsupported.h"

#include "libs/base/status.h"
#include "libs/model/reasons.h"
#include "services/rest_gateway/azure_errors.h"

namespace fleetcast::rest_gateway {

void AnswerNotSupported(const ExchangePtr& exchange) {
  exchange->Fail(MakeError(absl::StatusCode::kUnimplemented, kNotSupported, "this operation is not supported here"));
}

void AnswerNoStorage(const ExchangePtr& exchange) {
  exchange->Fail(MakeError(absl::StatusCode::kUnimplemented, kNotSupported,
                           "import and export jobs over blob containers are not available here, use `fleetcast device "
                           "export` and `fleetcast device import`, or ExportDevices and ImportDevices of registry.v1"));
}

void AnswerEmptyList(const ExchangePtr& exchange) { exchange->Answer("[]"); }

void AnswerNoSuchJob(const ExchangePtr& exchange) {
  exchange->Fail(
      MakeError(absl::StatusCode::kNotFound, reasons::kJobNotFound, "there is no import or export job of this id"));
}

}  // namespace fleetcast::rest_gateway
