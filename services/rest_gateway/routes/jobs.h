// Jobs v2 (service-rest.md 5): create, read, cancel, list.
#pragma once

#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

class Backends;

// Handlers; each answers through the exchange it gets. Thread-safe; `backends` outlives it.
class JobRoutes {
 public:
  // `reject_cancel_running`: the cancel of a job that has started is refused, as on IoT Hub.
  JobRoutes(const Backends& backends, bool reject_cancel_running)
      : backends_(backends), reject_cancel_running_(reject_cancel_running) {}

  void Create(const ExchangePtr& exchange) const;  // PUT /jobs/v2/*
  void Get(const ExchangePtr& exchange) const;     // GET /jobs/v2/*
  void Cancel(const ExchangePtr& exchange) const;  // POST /jobs/v2/*/cancel
  void List(const ExchangePtr& exchange) const;    // GET /jobs/v2/query

 private:
  const Backends& backends_;
  const bool reject_cancel_running_;
};

}  // namespace fleetcast::rest_gateway
