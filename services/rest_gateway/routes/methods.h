// Direct methods (service-rest.md 10).
#pragma once

#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

class Backends;

// Handlers; each answers through the exchange it gets. Thread-safe; `backends` outlives it.
class MethodRoutes {
 public:
  explicit MethodRoutes(const Backends& backends) : backends_(backends) {}

  void Invoke(const ExchangePtr& exchange) const;  // POST /twins/*/methods

 private:
  const Backends& backends_;
};

}  // namespace fleetcast::rest_gateway
