// One database session on libpqxx. Internal to this folder.
#pragma once

#include <memory>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/postgres/pool_options.h"

namespace pqxx {
class connection_base;
}

namespace fleetcast::postgres {

// `connection_string` (key=value pairs or URI) with limits on waiting added where it does not set them itself:
// connect_timeout, keepalives, tcp_user_timeout, target_session_attrs.
std::string WithConnectionDefaults(const std::string& connection_string);

// A session with our settings. One thread at a time. Never reconnects by itself: a broken one is thrown away.
class Connection {
 public:
  // Connects and applies the session settings of `options` (reliability 7.9). kUnavailable.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const PoolOptions& options);
  ~Connection();

  pqxx::connection_base& raw() { return *raw_; }

  // Registers `statement` on this session unless it is known there.
  void Prepare(const char* name, const char* sql);

  // The longest that a statement of this session may take outside a transaction block, as last set.
  absl::Duration statement_limit() const { return statement_limit_; }
  void set_statement_limit(absl::Duration limit) { statement_limit_ = limit; }

 private:
  Connection(std::shared_ptr<pqxx::connection_base> raw, absl::Duration statement_limit);

  // Not unique_ptr: connection_base has no virtual destructor, and only that of the whole object closes the session.
  std::shared_ptr<pqxx::connection_base> raw_;
  absl::flat_hash_set<std::string> prepared_;
  absl::Duration statement_limit_;
};

// The limit for a statement that has `left` and may take `most`: `current`, which the session has already, when that is
// at most an eighth shorter than it could be; else a new one, somewhat below `left` so that later calls find it usable.
absl::Duration StatementLimit(absl::Duration left, absl::Duration most, absl::Duration current);

}  // namespace fleetcast::postgres
