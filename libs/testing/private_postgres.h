// A PostgreSQL server for tests, on a unix socket in a directory of its own.
#pragma once

#include <string>

#include "libs/testing/private_server.h"

namespace fleetcast::testing {

// Starts in about a second: use one per test program (Shared) and one database per test (NewDatabase, 20 ms). Not
// durable (fsync off) unless asked for. The binaries are those of the highest version under /usr/lib/postgresql.
class PrivatePostgres {
 public:
  struct Options {
    bool durable = false;  // fsync, full_page_writes and synchronous_commit on, as in production.
  };

  PrivatePostgres() : PrivatePostgres(Options()) {}
  // Returns when the server accepts connections; ends the process with the server's log when it does not.
  explicit PrivatePostgres(const Options& options);

  // The one of this test program, started at the first call and stopped at exit.
  static PrivatePostgres& Shared();

  // Creates an empty database and gives its connection string. Thread-safe.
  std::string NewDatabase();

  // For `database`, which must exist; "postgres" does.
  std::string ConnectionString(const std::string& database) const;

 private:
  PrivateServer server_;
};

}  // namespace fleetcast::testing
