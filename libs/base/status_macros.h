// Early returns on errors. Debian's Abseil (20220623) does not ship these macros yet; same names and
// shape as upstream's, with our prefix, so that they can be deleted one day.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function with the status of `expr` unless it is OK.
#define FLEETCAST_RETURN_IF_ERROR(expr)                                     \
  do {                                                                      \
    if (absl::Status fleetcast_status_ = (expr); !fleetcast_status_.ok()) { \
      return fleetcast_status_;                                             \
    }                                                                       \
  } while (false)

// FLEETCAST_ASSIGN_OR_RETURN(Type name, expr): declares or assigns `lhs` from the value of the
// StatusOr `expr`, or returns its status.
#define FLEETCAST_ASSIGN_OR_RETURN(lhs, expr) \
  FLEETCAST_ASSIGN_OR_RETURN_IMPL_(FLEETCAST_CONCAT_(fleetcast_or_, __LINE__), lhs, expr)

#define FLEETCAST_ASSIGN_OR_RETURN_IMPL_(var, lhs, expr) \
  auto var = (expr);                                     \
  if (!var.ok()) return std::move(var).status();         \
  lhs = *std::move(var)

#define FLEETCAST_CONCAT_INNER_(a, b) a##b
#define FLEETCAST_CONCAT_(a, b) FLEETCAST_CONCAT_INNER_(a, b)
