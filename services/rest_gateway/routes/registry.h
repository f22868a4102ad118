// The device registry (service-rest.md 11): identities, bulk changes, statistics.
#pragma once

#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

class Backends;

// Handlers; each answers through the exchange it gets. Thread-safe; `backends` outlives it.
class RegistryRoutes {
 public:
  explicit RegistryRoutes(const Backends& backends) : backends_(backends) {}

  void Put(const ExchangePtr& exchange) const;                // PUT /devices/*
  void Get(const ExchangePtr& exchange) const;                // GET /devices/*
  void Delete(const ExchangePtr& exchange) const;             // DELETE /devices/*
  void List(const ExchangePtr& exchange) const;               // GET /devices
  void Bulk(const ExchangePtr& exchange) const;               // POST /devices
  void DeviceStatistics(const ExchangePtr& exchange) const;   // GET /statistics/devices
  void ServiceStatistics(const ExchangePtr& exchange) const;  // GET /statistics/service

 private:
  const Backends& backends_;
};

}  // namespace fleetcast::rest_gateway
