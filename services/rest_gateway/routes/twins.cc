#include "services/rest_gateway/routes/twins.h"

#include <utility>

#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"
#include "services/rest_gateway/azure_errors.h"
#include "services/rest_gateway/backends.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {
namespace {

using TwinAsync = twins::v1::TwinService::StubInterface::async_interface;

// What a body says about the sections that a service may write, as JSON text; empty = absent, "null" = null.
struct Sections {
  std::string tags;
  std::string desired;
};

std::string SectionText(const json::Value* object, std::string_view name) {
  const json::Value* section = object != nullptr && object->is_object() ? object->Find(name) : nullptr;
  return section == nullptr ? "" : json::Print(*section);
}

absl::StatusOr<Sections> ParseSections(const http::Request& request) {
  absl::StatusOr<json::Value> body = ParseObjectBody(request);
  if (!body.ok()) {
    // Well-formed text that twins cannot hold (U+0000, 1e400) is a bad argument; it is not told apart here.
    if (GetReason(body.status()) != kMalformedBody) return body.status();
    return BadRequest(kArgumentInvalid, Std(body.status().message()));
  }
  FLEETCAST_ASSIGN_OR_RETURN(const json::Value* properties, ObjectMember(&*body, "properties"));
  return Sections{SectionText(&*body, "tags"), SectionText(properties, "desired")};
}

void AnswerTwin(Exchange& exchange, twins::v1::Twin& twin) {
  exchange.Answer(std::move(*twin.mutable_document()), {{"ETag", QuotedEtag(twin.etag())}});
}

// A twin that is missing is told as a missing device, also that of a module (service-rest.md 9.1).
absl::Status AsMissingDevice(const absl::Status& status) {
  if (GetReason(status) != reasons::kModuleNotFound) return status;
  return MakeError(absl::StatusCode::kNotFound, reasons::kDeviceNotFound, Std(status.message()));
}

template <typename Request, typename Response>
void CallTwins(const ExchangePtr& exchange, absl::Duration limit, std::string_view name, TwinAsync* async,
               void (TwinAsync::*method)(grpc::ClientContext*, const Request*, Response*,
                                         std::function<void(grpc::Status)>),
               Request request) {
  CallBackend(*exchange, limit, name, async, method, std::move(request), [exchange](absl::StatusOr<Response> response) {
    if (!response.ok()) return exchange->Fail(AsMissingDevice(response.status()));
    AnswerTwin(*exchange, *response->mutable_twin());
  });
}

}  // namespace

void TwinRoutes::Get(const ExchangePtr& exchange) const {
  twins::v1::GetTwinRequest request;
  SetIdentity(*exchange, request);
  CallTwins(exchange, kReadLimit, "fleetcast.twins.v1.TwinService/GetTwin", backends_.twins().async(),
            &TwinAsync::GetTwin, std::move(request));
}

void TwinRoutes::Patch(const ExchangePtr& exchange) const {
  absl::StatusOr<Sections> sections = ParseSections(exchange->request());
  if (!sections.ok()) return exchange->Fail(sections.status());
  twins::v1::PatchTwinRequest request;
  SetIdentity(*exchange, request);
  request.set_tags_patch(std::move(sections->tags));
  request.set_desired_patch(std::move(sections->desired));
  request.set_if_match(IfMatch(exchange->request()).value_or(""));
  CallTwins(exchange, kWriteLimit, "fleetcast.twins.v1.TwinService/PatchTwin", backends_.twins().async(),
            &TwinAsync::PatchTwin, std::move(request));
}

void TwinRoutes::Replace(const ExchangePtr& exchange) const {
  absl::StatusOr<Sections> sections = ParseSections(exchange->request());
  if (!sections.ok()) return exchange->Fail(sections.status());
  const auto section = [](std::string text) { return text == "null" ? "" : text; };
  twins::v1::ReplaceTwinRequest request;
  SetIdentity(*exchange, request);
  request.set_tags(section(std::move(sections->tags)));
  request.set_desired(section(std::move(sections->desired)));
  request.set_if_match(IfMatch(exchange->request()).value_or(""));
  CallTwins(exchange, kWriteLimit, "fleetcast.twins.v1.TwinService/ReplaceTwin", backends_.twins().async(),
            &TwinAsync::ReplaceTwin, std::move(request));
}

}  // namespace fleetcast::rest_gateway
