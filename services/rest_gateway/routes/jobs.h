// Jobs v2 (service-rest.md 5): create, read, cancel, list.
#pragma once

#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

class Backends;

// Handlers; each answers through the exchange it gets. Thread-safe; `backends` outlives it.
class JobRoutes {
 public:
  explicit JobRoutes(const Backends& backends) : backends_(backends) {}

  void Create(const ExchangePtr& exchange) const;  // PUT /jobs/v2/*
  void Get(const ExchangePtr& exchange) const;     // GET /jobs/v2/*
  void Cancel(const ExchangePtr& exchange) const;  // POST /jobs/v2/*/cancel
  void List(const ExchangePtr& exchange) const;    // GET /jobs/v2/query

 private:
  const Backends& backends_;
};

}  // namespace fleetcast::rest_gateway
