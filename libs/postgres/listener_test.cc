#include "libs/postgres/listener.h"

#include <algorithm>

#include "libs/base/mutex.h"
#include "libs/postgres/pool.h"
#include "libs/testing/private_postgres.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::postgres {
namespace {

using fleetcast::testing::PrivatePostgres;
using fleetcast::testing::Soon;
using fleetcast::testing::WaitFor;

constexpr Statement kNotify{"test_notify", "SELECT pg_notify('news', $1)"};
constexpr Statement kKillListeners{"test_kill_listeners", R"sql(
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%')sql"};

TEST(ListenerTest, HearsAndComesBackAfterABreak) {
  telemetry::Metrics metrics;
  const PoolOptions options{.connection_string = PrivatePostgres::Shared().NewDatabase(),
                            .application_name = "listener_test"};
  Pool pool(options, metrics);
  Mutex mutex;
  std::vector<std::string> heard;
  const auto count = [&](const std::string& payload) {
    MutexLock lock(mutex);
    return std::count(heard.begin(), heard.end(), payload);
  };

  Listener listener(options, "news", [&](std::string_view payload) {
    MutexLock lock(mutex);
    heard.emplace_back(payload);
  });
  ASSERT_TRUE(WaitFor([&] { return count("") == 1; }));
  FLEETCAST_ASSERT_OK(pool.Run(Soon(), kNotify, "one"));
  EXPECT_TRUE(WaitFor([&] { return count("one") == 1; }));

  FLEETCAST_ASSERT_OK(pool.Run(Soon(), kKillListeners));
  ASSERT_TRUE(WaitFor([&] { return count("") == 2; }));
  FLEETCAST_ASSERT_OK(pool.Run(Soon(), kNotify, "two"));
  EXPECT_TRUE(WaitFor([&] { return count("two") == 1; }));
}

}  // namespace
}  // namespace fleetcast::postgres
