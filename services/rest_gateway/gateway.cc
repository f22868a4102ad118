#include "services/rest_gateway/gateway.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/auth/sas_token.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/model/reasons.h"
#include "services/rest_gateway/azure_errors.h"
#include "services/rest_gateway/routes/unsupported.h"
#include "services/rest_gateway/wire.h"

namespace fleetcast::rest_gateway {
namespace {

using auth::Rights;

// `routes`' member function as a handler.
template <typename Routes>
RouteHandler Bind(const Routes& routes, void (Routes::*handler)(const ExchangePtr&) const) {
  return [&routes, handler](const ExchangePtr& exchange) { (routes.*handler)(exchange); };
}

}  // namespace

std::shared_ptr<void> Attendance::Enter() {
  MutexLock lock(mutex_);
  ++present_;
  return std::shared_ptr<void>(this, [](void* self) { static_cast<Attendance*>(self)->Leave(); });
}

void Attendance::Leave() {
  MutexLock lock(mutex_);
  if (--present_ == 0) emptied_.notify_all();
}

void Attendance::WaitUntilEmpty() {
  std::unique_lock<Mutex> lock(mutex_);
  emptied_.wait(lock, [this] { return present_ == 0; });
}

Gateway::Gateway(GatewayOptions options, const Backends& backends, telemetry::Metrics& metrics, Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      jobs_(backends, options_.reject_cancel_running),
      twins_(backends),
      methods_(backends),
      registry_(backends),
      modules_(backends),
      query_(backends, options_.query_profile, options_.page_token_key, clock),
      requests_(metrics.NewCounters("fleetcast_http_requests_total", "Requests answered by the REST surface",
                                    {"route", "status"})),
      durations_(metrics.NewHistograms("fleetcast_http_request_duration_seconds",
                                       "From the end of the request to its answer", {"route"},
                                       telemetry::WaitSeconds())) {
  AddJobs();
  AddTwinsAndMethods();
  AddRegistry();
  AddUnsupported();
}

Gateway::~Gateway() {
  stop_.request_stop();
  exchanges_.WaitUntilEmpty();
}

void Gateway::AddJobs() {
  const Rights service = Rights::kServiceConnect;
  const Access read = {options_.strict_job_rights ? service | Rights::kRegistryRead : service};
  const Access write = {options_.strict_job_rights ? service | Rights::kRegistryWrite : service};
  Add("GET", "jobs/v2/query", read, Bind(jobs_, &JobRoutes::List));
  AddLarge("PUT", "jobs/v2/*", write, Bind(jobs_, &JobRoutes::Create));
  Add("GET", "jobs/v2/*", read, Bind(jobs_, &JobRoutes::Get));
  Add("POST", "jobs/v2/*/cancel", write, Bind(jobs_, &JobRoutes::Cancel));
  Add("POST", "devices/query", {service, Rights::kRegistryRead}, Bind(query_, &QueryRoutes::Query));
}

void Gateway::AddTwinsAndMethods() {
  const Access access = {Rights::kServiceConnect};
  Add("GET", "twins/*", access, Bind(twins_, &TwinRoutes::Get));
  Add("PATCH", "twins/*", access, Bind(twins_, &TwinRoutes::Patch));
  Add("PUT", "twins/*", access, Bind(twins_, &TwinRoutes::Replace));
  Add("GET", "twins/*/modules/*", access, Bind(twins_, &TwinRoutes::Get));
  Add("PATCH", "twins/*/modules/*", access, Bind(twins_, &TwinRoutes::Patch));
  Add("PUT", "twins/*/modules/*", access, Bind(twins_, &TwinRoutes::Replace));
  Add("POST", "twins/*/methods", access, Bind(methods_, &MethodRoutes::Invoke));
  Add("POST", "twins/*/modules/*/methods", access, Bind(methods_, &MethodRoutes::Invoke));
}

void Gateway::AddRegistry() {
  const Access read = {Rights::kRegistryRead};
  const Access write = {Rights::kRegistryWrite};
  Add("GET", "devices", read, Bind(registry_, &RegistryRoutes::List));
  AddLarge("POST", "devices", write, Bind(registry_, &RegistryRoutes::Bulk));
  Add("PUT", "devices/*", write, Bind(registry_, &RegistryRoutes::Put));
  Add("GET", "devices/*", read, Bind(registry_, &RegistryRoutes::Get));
  Add("DELETE", "devices/*", write, Bind(registry_, &RegistryRoutes::Delete));
  Add("GET", "devices/*/modules", read, Bind(modules_, &ModuleRoutes::List));
  Add("PUT", "devices/*/modules/*", write, Bind(modules_, &ModuleRoutes::Put));
  Add("GET", "devices/*/modules/*", read, Bind(modules_, &ModuleRoutes::Get));
  Add("DELETE", "devices/*/modules/*", write, Bind(modules_, &ModuleRoutes::Delete));
  Add("GET", "statistics/devices", read, Bind(registry_, &RegistryRoutes::DeviceStatistics));
  Add("GET", "statistics/service", {Rights::kServiceConnect}, Bind(registry_, &RegistryRoutes::ServiceStatistics));
}

void Gateway::AddUnsupported() {
  const Access service = {Rights::kServiceConnect};
  const Access read = {Rights::kRegistryRead};
  const Access write = {Rights::kRegistryWrite};
  Add("POST", "jobs/create", write, AnswerNoStorage);
  Add("GET", "jobs", read, AnswerEmptyList);
  Add("GET", "jobs/*", read, AnswerNoSuchJob);
  Add("DELETE", "jobs/*", write, AnswerNoSuchJob);
  for (const char* method : {"GET", "PUT", "DELETE"}) {
    const Access access = std::string_view(method) == "GET" ? read : write;
    Add(method, "configurations/*", access, AnswerNotSupported);
  }
  Add("GET", "configurations", read, AnswerNotSupported);
  Add("POST", "configurations/testQueries", read, AnswerNotSupported);
  Add("POST", "devices/*/applyConfigurationContent", write, AnswerNotSupported);
  Add("DELETE", "devices/*/commands", service, AnswerNotSupported);
}

void Gateway::Add(std::string method, std::string pattern, Access access, RouteHandler handler) {
  endpoints_.push_back({std::move(method), std::move(pattern), access, std::move(handler), kBodyBytesMax});
}

void Gateway::AddLarge(std::string method, std::string pattern, Access access, RouteHandler handler) {
  endpoints_.push_back({std::move(method), std::move(pattern), access, std::move(handler), kLargeBodyBytesMax});
}

void Gateway::Configure(http::ServerOptions& options) {
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    const Endpoint& endpoint = endpoints_[i];
    options.router.Add({.method = endpoint.method,
                        .pattern = endpoint.pattern,
                        .body_bytes_max = endpoint.body_bytes_max,
                        .handler =
                            [this, &endpoint](std::shared_ptr<const http::Request> request, http::Respond respond) {
                              Serve(endpoint, std::move(request), std::move(respond));
                            },
                        .tag = static_cast<int>(i)});
  }
  options.admit = [this](const http::Request& request, const http::Route& route) -> std::optional<http::Response> {
    const Endpoint& endpoint = endpoints_[static_cast<size_t>(route.tag)];
    const absl::Status status = Admit(request, endpoint);
    if (status.ok()) return std::nullopt;
    http::Response response = ErrorResponse(status, RandomId(), clock_.Now());
    requests_.With({absl::StrCat(endpoint.method, " ", endpoint.pattern), absl::StrCat(response.status)}).Add();
    return response;
  };
  options.render_error = [this](int status, std::string_view text, const http::Request*) {
    requests_.With({"none", absl::StrCat(status)}).Add();
    http::Response response = ErrorResponse(ToAzureError(status), text, RandomId(), clock_.Now());
    if (status == 503) response.headers.push_back({"Retry-After", "1"});
    return response;
  };
}

absl::Status Gateway::Admit(const http::Request& request, const Endpoint& endpoint) const {
  FLEETCAST_RETURN_IF_ERROR(options_.api_versions.DialectOf(request).status());
  return Authorize(request, endpoint.access);
}

absl::Status Gateway::Authorize(const http::Request& request, const Access& access) const {
  constexpr std::string_view kHeader = "Authorization";
  if (request.CountHeader(kHeader) != 1) {
    return MakeError(absl::StatusCode::kUnauthenticated, reasons::kSasMalformed, "exactly one Authorization is needed");
  }
  FLEETCAST_ASSIGN_OR_RETURN(const auth::SasToken token, auth::ParseSasToken(*request.FindHeader(kHeader)));
  const auto check = [&](Rights rights) {
    return auth::CheckServiceToken(token, options_.policies, options_.hosts, request.segments, rights, {clock_.Now()});
  };
  const absl::Status status = check(access.needed);
  const bool lacks_right = status.code() == absl::StatusCode::kPermissionDenied;
  return lacks_right && access.or_else != Rights::kNone ? check(access.or_else) : status;
}

void Gateway::Serve(const Endpoint& endpoint, std::shared_ptr<const http::Request> request, http::Respond respond) {
  const absl::StatusOr<Dialect> dialect = options_.api_versions.DialectOf(*request);  // Checked by Admit.
  const absl::Duration start = clock_.Monotonic();
  const telemetry::TraceContext parent = telemetry::ParseTraceparent(request->FindHeader("traceparent").value_or(""));
  telemetry::Span span(absl::StrCat(endpoint.method, " /", endpoint.pattern),
                       {.kind = telemetry::SpanKind::kServer, .parent = parent, .root = !parent.valid()});
  span.SetAttribute("http.request.method", endpoint.method);
  span.SetAttribute("http.route", endpoint.pattern);
  endpoint.handler(std::make_shared<Exchange>(
      Exchange::Parts{.presence = exchanges_.Enter(),
                      .request = std::move(request),
                      .respond = std::move(respond),
                      .dialect = *dialect,
                      .request_id = RandomId(),
                      .span = std::move(span),
                      .clock = &clock_,
                      .stop = stop_.get_token(),
                      .on_end = [this, &endpoint, start](int status) {
                        const std::string route = absl::StrCat(endpoint.method, " ", endpoint.pattern);
                        requests_.With({route, absl::StrCat(status)}).Add();
                        durations_.With({route}).Observe(absl::ToDoubleSeconds(clock_.Monotonic() - start));
                      }}));
}

}  // namespace fleetcast::rest_gateway
