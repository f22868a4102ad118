#include "libs/postgres/connection.h"

#include <algorithm>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/postgres/errors.h"

namespace fleetcast::postgres {
namespace {

constexpr std::pair<const char*, const char*> kConnectionDefaults[] = {
    {"connect_timeout", "3"},  {"keepalives_idle", "10"},     {"keepalives_interval", "5"},
    {"keepalives_count", "3"}, {"tcp_user_timeout", "10000"}, {"target_session_attrs", "read-write"},
};

std::string SessionSettings(const PoolOptions& options) {
  const auto millis = [](absl::Duration d) { return absl::ToInt64Milliseconds(d); };
  return absl::StrCat(
      "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET bytea_output = 'hex'; SET client_encoding = 'UTF8'; ",
      // Compiling takes longer than any statement of ours, and estimates of unnest make it likely.
      "SET jit = off; SET client_min_messages = 'warning'; SET statement_timeout = ", millis(options.statement_timeout),
      "; SET lock_timeout = ", millis(options.lock_timeout),
      "; SET idle_in_transaction_session_timeout = ", millis(options.idle_in_transaction_timeout));
}

// libpqxx 6 would reconnect on its own, and with it lose prepared statements and settings.
void ForbidReconnect(pqxx::connection_base& raw) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  raw.inhibit_reactivation(true);
#pragma GCC diagnostic pop
}

}  // namespace

std::string WithConnectionDefaults(const std::string& connection_string) {
  const bool is_uri =
      absl::StartsWith(connection_string, "postgres://") || absl::StartsWith(connection_string, "postgresql://");
  std::string full = connection_string;
  for (const auto& [key, value] : kConnectionDefaults) {
    if (absl::StrContains(full, absl::StrCat(key, "="))) continue;
    const char* separator = !is_uri ? " " : absl::StrContains(full, "?") ? "&" : "?";
    absl::StrAppend(&full, separator, key, "=", value);
  }
  return full;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const PoolOptions& options) {
  try {
    auto raw = std::make_shared<pqxx::connection>(WithConnectionDefaults(options.connection_string));
    ForbidReconnect(*raw);
    pqxx::nontransaction session(*raw);
    session.exec(SessionSettings(options));
    session.exec(absl::StrCat("SET application_name = ", raw->quote(options.application_name)));
    session.commit();
    return std::unique_ptr<Connection>(new Connection(std::move(raw), options.statement_timeout));
  } catch (...) {
    return CurrentExceptionToStatus();
  }
}

Connection::Connection(std::shared_ptr<pqxx::connection_base> raw, absl::Duration statement_limit)
    : raw_(std::move(raw)), statement_limit_(statement_limit) {}

Connection::~Connection() = default;

void Connection::Prepare(const char* name, const char* sql) {
  if (prepared_.contains(name)) return;
  raw_->prepare(name, sql);
  prepared_.insert(name);
}

absl::Duration StatementLimit(absl::Duration left, absl::Duration most, absl::Duration current) {
  if (left >= most) return most;
  if (current <= left && current >= left - left / 8) return current;
  return std::max(left - left / 16, absl::Milliseconds(1));
}

}  // namespace fleetcast::postgres
