#include "libs/testing/private_postgres.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/postgres/pool.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::testing {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kPostgresStartLimit = absl::Seconds(60);
constexpr absl::Duration kStatementLimit = absl::Seconds(30);

fs::path BinaryDirectory() {
  int highest = 0;
  std::error_code missing;
  for (const fs::directory_entry& version : fs::directory_iterator("/usr/lib/postgresql", missing)) {
    if (fs::exists(version.path() / "bin" / "initdb")) {
      highest = std::max(highest, std::atoi(version.path().filename().c_str()));
    }
  }
  return highest == 0 ? fs::path() : fs::path("/usr/lib/postgresql") / std::to_string(highest) / "bin";
}

void CheckOrShowLog(bool good, const PrivateServer& server, const char* log) {
  if (!good) std::fprintf(stderr, "private postgres failed:\n%s\n", server.ReadFile(log).c_str());
  FLEETCAST_CHECK(good);
}

}  // namespace

PrivatePostgres::PrivatePostgres(const Options& options) : server_("postgres") {
  const fs::path binaries = BinaryDirectory();
  CheckOrShowLog(server_.RunToEnd({binaries / "initdb", "--pgdata=data", "--username=fleetcast", "--auth=trust",
                                   "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"},
                                  "initdb.log"),
                 server_, "initdb.log");
  const std::string durable = options.durable ? "on" : "off";
  server_.Start({binaries / "postgres", "-D", server_.directory() / "data", "-k", server_.directory(), "-c",
                 "listen_addresses=", "-c", "fsync=" + durable, "-c", "full_page_writes=" + durable, "-c",
                 "synchronous_commit=" + durable, "-c", "shared_buffers=64MB", "-c", "max_connections=200"},
                "postgres.log", "QUIT");
  // The last line that the postmaster writes into its pid file is its state.
  const bool ready =
      WaitFor([this] { return server_.ReadFile("data/postmaster.pid").find("ready") != std::string::npos; },
              kPostgresStartLimit);
  CheckOrShowLog(ready, server_, "postgres.log");
}

PrivatePostgres& PrivatePostgres::Shared() {
  static PrivatePostgres server;
  return server;
}

std::string PrivatePostgres::NewDatabase() {
  static std::atomic<int> count = 0;
  const std::string name = "test_" + std::to_string(++count);
  telemetry::Metrics metrics;
  postgres::Pool pool({.connection_string = ConnectionString("postgres"),
                       .application_name = "testing",
                       .connections = 1,
                       .statement_timeout = kStatementLimit},
                      metrics);
  // Not in a transaction block: CREATE DATABASE refuses that.
  const std::string sql = "CREATE DATABASE " + name;
  const postgres::Statement create{"testing_create_database", sql.c_str()};
  FLEETCAST_CHECK(pool.Run(absl::Now() + 2 * kStatementLimit, create).ok());
  return ConnectionString(name);
}

std::string PrivatePostgres::ConnectionString(const std::string& database) const {
  return "host=" + server_.directory().string() + " user=fleetcast dbname=" + database;
}

}  // namespace fleetcast::testing
