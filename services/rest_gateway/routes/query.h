// Queries (service-rest.md 12): devices and devices.modules at twin, devices.jobs at job_api.
#pragma once

#include <memory>
#include <string_view>

#include "libs/base/clock.h"
#include "libs/model/page_token.h"
#include "libs/query/query.h"
#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

class Backends;

// Handlers; each answers through the exchange it gets. Thread-safe; `backends` and `clock` outlive it.
class QueryRoutes {
 public:
  // `token_key`: at least 16 bytes, the same in all replicas; for the pages of devices.jobs.
  QueryRoutes(const Backends& backends, query::Profile profile, std::string_view token_key, Clock& clock)
      : backends_(backends), profile_(profile), tokens_(token_key), clock_(clock) {}

  void Query(const ExchangePtr& exchange) const;  // POST /devices/query

 private:
  const Backends& backends_;
  const query::Profile profile_;
  const PageTokens tokens_;
  Clock& clock_;
};

}  // namespace fleetcast::rest_gateway
