// Endpoints of IoT Hub that Fleetcast does not have (yet): each answers what a client of it can understand.
#pragma once

#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

// 403 OperationNotAvailableInCurrentTier: configurations, import jobs, module identities, the cloud-to-device queue.
void AnswerNotSupported(const ExchangePtr& exchange);
// 200 []: there are no import or export jobs.
void AnswerEmptyList(const ExchangePtr& exchange);
// 404 JobNotFound: nor is there this one.
void AnswerNoSuchJob(const ExchangePtr& exchange);
// 404 DeviceNotFound: twins and methods of modules, which do not exist.
void AnswerNoSuchModule(const ExchangePtr& exchange);

}  // namespace fleetcast::rest_gateway
