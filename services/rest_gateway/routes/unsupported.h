// Endpoints of IoT Hub that Fleetcast does not have (yet): each answers what a client of it can understand.
#pragma once

#include "services/rest_gateway/exchange.h"

namespace fleetcast::rest_gateway {

// 403 OperationNotAvailableInCurrentTier: configurations, the cloud-to-device queue.
void AnswerNotSupported(const ExchangePtr& exchange);
// The same for import and export jobs: there is no blob storage; says what to use instead.
void AnswerNoStorage(const ExchangePtr& exchange);
// 200 []: there are no import or export jobs.
void AnswerEmptyList(const ExchangePtr& exchange);
// 404 JobNotFound: nor is there this one.
void AnswerNoSuchJob(const ExchangePtr& exchange);

}  // namespace fleetcast::rest_gateway
