// Queries (service-rest.md 12): devices and devices.jobs.
#pragma once

#include <memory>

#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

class Backends;

// Handlers; each answers through the exchange it gets. Thread-safe; `backends` outlives it.
class QueryRoutes {
 public:
  explicit QueryRoutes(const Backends& backends) : backends_(backends) {}

  void Query(const ExchangePtr& exchange) const;  // POST /devices/query

 private:
  const Backends& backends_;
};

}  // namespace fleetcast::rest_gateway
