// From libpqxx' exceptions to absl::Status. Internal to this folder.
#pragma once

#include <exception>

#include "absl/status/status.h"

namespace fleetcast::postgres {

// The status of the exception being handled; call it within a catch block.
//   unique violation        kAlreadyExists      metadata "constraint" when known
//   serialization, deadlock kAborted            SERIALIZATION_FAILURE
//   statement or lock time  kDeadlineExceeded   DATABASE_TIMEOUT
//   connection, shutdown    kUnavailable        DATABASE_UNAVAILABLE
//   data that does not fit  kInvalidArgument    INVALID_VALUE
//   anything else           kInternal           DATABASE_ERROR
absl::Status CurrentExceptionToStatus();

}  // namespace fleetcast::postgres
