// Twins of devices and modules (service-rest.md 9): read, merge, replace.
#pragma once

#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

class Backends;

// Handlers; each answers through the exchange it gets. Thread-safe; `backends` outlives it.
class TwinRoutes {
 public:
  explicit TwinRoutes(const Backends& backends) : backends_(backends) {}

  void Get(const ExchangePtr& exchange) const;      // GET /twins/*[/modules/*], as below
  void Patch(const ExchangePtr& exchange) const;    // PATCH /twins/*
  void Replace(const ExchangePtr& exchange) const;  // PUT /twins/*

 private:
  const Backends& backends_;
};

}  // namespace fleetcast::rest_gateway
