// Reasons of errors that come from the database itself (libs/model/reasons.h holds those of the domain).
#pragma once

namespace fleetcast::postgres {

inline constexpr char kDatabaseBusy[] = "DATABASE_BUSY";                // No connection came free in time.
inline constexpr char kDatabaseError[] = "DATABASE_ERROR";              // A statement is wrong: a bug.
inline constexpr char kDatabaseTimeout[] = "DATABASE_TIMEOUT";          // Statement or lock took too long.
inline constexpr char kDatabaseUnavailable[] = "DATABASE_UNAVAILABLE";  // Gone, starting or shutting down.
inline constexpr char kDatabaseUnsafe[] = "DATABASE_UNSAFE";            // Its settings would lose acknowledged writes.
inline constexpr char kDuplicateKey[] = "DUPLICATE_KEY";
inline constexpr char kInvalidValue[] = "INVALID_VALUE";    // A parameter does not fit its type.
inline constexpr char kSchemaChanged[] = "SCHEMA_CHANGED";  // A migration that ran is not ours.
inline constexpr char kSchemaTooNew[] = "SCHEMA_TOO_NEW";
inline constexpr char kSchemaTooOld[] = "SCHEMA_TOO_OLD";
inline constexpr char kSerializationFailure[] = "SERIALIZATION_FAILURE";  // Retries are used up: repeat all of it.

}  // namespace fleetcast::postgres
