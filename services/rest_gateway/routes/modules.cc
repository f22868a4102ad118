#include "services/rest_gateway/routes/modules.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/model/reasons.h"
#include "services/rest_gateway/backends.h"
#include "services/rest_gateway/routes/device_wire.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {
namespace {

using ModuleAsync = registry::v1::ModuleService::StubInterface::async_interface;

void AnswerModule(Exchange& exchange, const registry::v1::Module& module) {
  exchange.Answer(PrintModule(module), {{"ETag", QuotedEtag(module.etag())}});
}

}  // namespace

void ModuleRoutes::List(const ExchangePtr& exchange) const {
  registry::v1::ListModulesRequest request;
  request.set_device_id(exchange->captured(0));
  CallOrFail(exchange, kReadLimit, "fleetcast.registry.v1.ModuleService/ListModules", backends_.modules().async(),
             &ModuleAsync::ListModules, std::move(request),
             [exchange](const registry::v1::ListModulesResponse& response) {
               std::vector<std::string> rows;
               for (const registry::v1::Module& module : response.modules()) rows.push_back(PrintModule(module));
               exchange->Answer(absl::StrCat("[", absl::StrJoin(rows, ","), "]"));
             });
}

void ModuleRoutes::Put(const ExchangePtr& exchange) const {
  const absl::StatusOr<json::Value> body = ParseObjectBody(exchange->request());
  if (!body.ok()) return exchange->Fail(body.status());
  absl::StatusOr<registry::v1::Module> module = ParseModule(exchange->captured(0), exchange->captured(1), *body);
  if (!module.ok()) return exchange->Fail(module.status());
  if (std::optional<std::string> if_match = IfMatch(exchange->request())) {
    registry::v1::UpdateModuleRequest request;
    *request.mutable_module() = *std::move(module);
    request.set_if_match(*std::move(if_match));
    return CallOrFail(
        exchange, kWriteLimit, "fleetcast.registry.v1.ModuleService/UpdateModule", backends_.modules().async(),
        &ModuleAsync::UpdateModule, std::move(request),
        [exchange](const registry::v1::UpdateModuleResponse& response) { AnswerModule(*exchange, response.module()); });
  }
  registry::v1::CreateModuleRequest request;
  *request.mutable_module() = *std::move(module);
  CallOrFail(
      exchange, kWriteLimit, "fleetcast.registry.v1.ModuleService/CreateModule", backends_.modules().async(),
      &ModuleAsync::CreateModule, std::move(request),
      [exchange](const registry::v1::CreateModuleResponse& response) { AnswerModule(*exchange, response.module()); });
}

void ModuleRoutes::Get(const ExchangePtr& exchange) const {
  registry::v1::GetModuleRequest request;
  SetIdentity(*exchange, request);
  CallOrFail(exchange, kReadLimit, "fleetcast.registry.v1.ModuleService/GetModule", backends_.modules().async(),
             &ModuleAsync::GetModule, std::move(request), [exchange](const registry::v1::GetModuleResponse& response) {
               AnswerModule(*exchange, response.module());
             });
}

void ModuleRoutes::Delete(const ExchangePtr& exchange) const {
  std::optional<std::string> if_match = IfMatch(exchange->request());
  if (!if_match) {
    return exchange->Fail(MakeError(absl::StatusCode::kAborted, reasons::kEtagMismatch, "Etag missing"));
  }
  registry::v1::DeleteModuleRequest request;
  SetIdentity(*exchange, request);
  request.set_if_match(*std::move(if_match));
  CallOrFail(exchange, kWriteLimit, "fleetcast.registry.v1.ModuleService/DeleteModule", backends_.modules().async(),
             &ModuleAsync::DeleteModule, std::move(request),
             [exchange](const registry::v1::DeleteModuleResponse&) { exchange->AnswerEmpty(); });
}

}  // namespace fleetcast::rest_gateway
