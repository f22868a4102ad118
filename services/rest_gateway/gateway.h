// The surface as a whole: which endpoints there are, who may call them, and what is measured about them.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "libs/auth/policies.h"
#include "libs/auth/sas_check.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/http/server.h"
#include "libs/query/query.h"
#include "libs/telemetry/metrics.h"
#include "services/rest_gateway/dialect.h"
#include "services/rest_gateway/exchange.h"
#include "services/rest_gateway/routes/jobs.h"
#include "services/rest_gateway/routes/methods.h"
#include "services/rest_gateway/routes/modules.h"
#include "services/rest_gateway/routes/query.h"
#include "services/rest_gateway/routes/registry.h"
#include "services/rest_gateway/routes/twins.h"

namespace fleetcast::rest_gateway {

struct GatewayOptions {
  ApiVersions api_versions;
  auth::PolicySet policies;
  auth::HostNames hosts;
  bool strict_job_rights = false;      // Jobs also need registryRead or registryWrite (service-rest.md 3.4).
  bool reject_cancel_running = false;  // Cancel of a running job answers 405 (service-rest.md 5.8).
  query::Profile query_profile = query::Profile::kLenient;
  std::string page_token_key;  // At least 16 bytes, the same in all replicas.
};

// Counts what is present and lets somebody wait until nothing is. Thread-safe.
class Attendance {
 public:
  // Present until the result and all its copies are gone.
  std::shared_ptr<void> Enter() EXCLUDES(mutex_);
  void WaitUntilEmpty() EXCLUDES(mutex_);

 private:
  void Leave() EXCLUDES(mutex_);

  Mutex mutex_;
  CondVar emptied_;
  int64_t present_ GUARDED_BY(mutex_) = 0;
};

// Connects the routes with a server. Immutable after construction, thread-safe; outlives the server.
class Gateway {
 public:
  // `backends`, `metrics` and `clock` outlive the gateway.
  Gateway(GatewayOptions options, const Backends& backends, telemetry::Metrics& metrics, Clock& clock);
  // Cancels the calls to backends that are still open, and waits for their end.
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Adds routes, admission and error rendering to `options`.
  void Configure(http::ServerOptions& options);

 private:
  // Rights that let a call pass: all of `needed`, or all of `or_else` unless that is kNone.
  struct Access {
    auth::Rights needed = auth::Rights::kNone;
    auth::Rights or_else = auth::Rights::kNone;
  };

  struct Endpoint {
    std::string method;
    std::string pattern;
    Access access;
    RouteHandler handler;
    size_t body_bytes_max;
  };

  void AddJobs();
  void AddTwinsAndMethods();
  void AddRegistry();
  void AddUnsupported();
  void Add(std::string method, std::string pattern, Access access, RouteHandler handler);
  void AddLarge(std::string method, std::string pattern, Access access, RouteHandler handler);

  // Api-version, then authentication, then authorisation (service-rest.md 5.1).
  absl::Status Admit(const http::Request& request, const Endpoint& endpoint) const;
  absl::Status Authorize(const http::Request& request, const Access& access) const;
  void Serve(const Endpoint& endpoint, std::shared_ptr<const http::Request> request, http::Respond respond);

  const GatewayOptions options_;
  Clock& clock_;
  const JobRoutes jobs_;
  const TwinRoutes twins_;
  const MethodRoutes methods_;
  const RegistryRoutes registry_;
  const ModuleRoutes modules_;
  const QueryRoutes query_;
  std::vector<Endpoint> endpoints_;
  telemetry::CounterFamily requests_;
  telemetry::HistogramFamily durations_;
  std::stop_source stop_;
  Attendance exchanges_;
};

}  // namespace fleetcast::rest_gateway
