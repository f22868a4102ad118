// A store on a private PostgreSQL, for tests that look behind it.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/job_store/job_store_contract.h"
#include "libs/job_store/postgres_job_store.h"
#include "libs/job_store/schema.h"
#include "libs/postgres/migrate.h"
#include "libs/testing/private_postgres.h"

namespace fleetcast::job_store {

// A method job on everything.
inline CreateRequest SomeJob(const std::string& id) {
  CreateRequest request;
  request.spec.id = id;
  request.spec.condition = "*";
  request.spec.action = MethodAction{"reboot", "", absl::Seconds(30), absl::ZeroDuration()};
  request.spec.execution_timeout = absl::Hours(1);
  request.request_hash = "h";
  return request;
}

class PostgresUnderTest final : public StoreUnderTest {
 public:
  // `versions`: how many migrations run; 0 = all.
  explicit PostgresUnderTest(size_t versions = 0) {
    const auto all = SchemaMigrations();
    FLEETCAST_EXPECT_OK(postgres::Migrate(pool_, absl::Now() + absl::Seconds(20), kSchemaName,
                                          versions == 0 ? all : all.first(versions)));
  }
  JobStore& store() override { return store_; }
  const postgres::PoolOptions& options() const { return pool_.options(); }
  postgres::Pool& pool() { return pool_; }

  void RunSql(std::string_view sql) {
    FLEETCAST_ASSERT_OK(pool_.Transact(absl::Now() + absl::Seconds(20),
                                       [&](postgres::Transaction& transaction) { return transaction.RunScript(sql); }));
  }

  // The first column of the only row of "SELECT " + `what`.
  int64_t Select(const std::string& what) {
    int64_t value = -1;
    FLEETCAST_EXPECT_OK(
        pool_.Transact(absl::Now() + absl::Seconds(20), [&](postgres::Transaction& transaction) -> absl::Status {
          FLEETCAST_ASSIGN_OR_RETURN(const postgres::Result rows,
                                     transaction.ExecuteSql("SELECT " + what, postgres::Params()));
          value = rows[0].Get<int64_t>(0);
          return absl::OkStatus();
        }));
    return value;
  }
  int64_t Count(const std::string& from) { return Select("count(*) FROM " + from); }

 private:
  telemetry::Metrics metrics_;
  postgres::Pool pool_{{.connection_string = fleetcast::testing::PrivatePostgres::Shared().NewDatabase(),
                        .application_name = "job_store_test",
                        .connections = 8,
                        .lock_timeout = absl::Seconds(10)},  // Not what ends a wait that should be short.
                       metrics_};
  PostgresJobStore store_{pool_};
};

}  // namespace fleetcast::job_store
