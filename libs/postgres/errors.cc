#include "libs/postgres/errors.h"

#include <pqxx/except>
#include <string>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/postgres/reasons.h"

namespace fleetcast::postgres {
namespace {

// libpq's messages end in a line feed.
std::string Trimmed(const char* what) { return std::string(absl::StripSuffix(what, "\n")); }

absl::Status Unavailable(const char* what) {
  return MakeError(absl::StatusCode::kUnavailable, kDatabaseUnavailable, Trimmed(what));
}

absl::Status FromSqlState(std::string_view state, const char* what) {
  const auto is = [state](std::string_view prefix) { return state.substr(0, prefix.size()) == prefix; };
  // Appendix A of the PostgreSQL manual.
  if (is("57014") || is("55P03") || is("25P03")) {
    return MakeError(absl::StatusCode::kDeadlineExceeded, kDatabaseTimeout, Trimmed(what));
  }
  if (is("08") || is("57P") || is("53") || is("58")) return Unavailable(what);
  if (is("40")) return MakeError(absl::StatusCode::kAborted, kSerializationFailure, Trimmed(what));
  if (is("22")) return MakeError(absl::StatusCode::kInvalidArgument, kInvalidValue, Trimmed(what));
  return MakeError(absl::StatusCode::kInternal, kDatabaseError, Trimmed(what));
}

// `duplicate key value violates unique constraint "job_id_key"`: libpqxx 6 gives the message only.
std::string ConstraintName(std::string_view message) {
  const size_t begin = message.find('"');
  if (begin == std::string_view::npos) return "";
  return std::string(message.substr(begin + 1, message.find('"', begin + 1) - begin - 1));
}

}  // namespace

absl::Status CurrentExceptionToStatus() {
  try {
    throw;
  } catch (const pqxx::broken_connection& error) {
    return Unavailable(error.what());
  } catch (const pqxx::in_doubt_error& error) {
    return Unavailable(error.what());
  } catch (const pqxx::transaction_rollback& error) {
    return MakeError(absl::StatusCode::kAborted, kSerializationFailure, Trimmed(error.what()));
  } catch (const pqxx::unique_violation& error) {
    return MakeError(absl::StatusCode::kAlreadyExists, kDuplicateKey, "a row with this key exists",
                     {{"constraint", ConstraintName(error.what())}});
  } catch (const pqxx::sql_error& error) {
    return FromSqlState(error.sqlstate(), error.what());
  } catch (const std::exception& error) {
    return MakeError(absl::StatusCode::kInternal, kDatabaseError, Trimmed(error.what()));
  }
}

}  // namespace fleetcast::postgres
