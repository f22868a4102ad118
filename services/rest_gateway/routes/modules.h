// Module identities (service-rest.md 11.4). Their twins: twins.h.
#pragma once

#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

class Backends;

// Handlers; each answers through the exchange it gets. Thread-safe; `backends` outlives it.
class ModuleRoutes {
 public:
  explicit ModuleRoutes(const Backends& backends) : backends_(backends) {}

  void List(const ExchangePtr& exchange) const;    // GET /devices/*/modules
  void Put(const ExchangePtr& exchange) const;     // PUT /devices/*/modules/*
  void Get(const ExchangePtr& exchange) const;     // GET /devices/*/modules/*
  void Delete(const ExchangePtr& exchange) const;  // DELETE /devices/*/modules/*

 private:
  const Backends& backends_;
};

}  // namespace fleetcast::rest_gateway
