// 32 writers on a few twins of a real service on a real PostgreSQL; what they saw has to obey the T rules.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/rpc/server.h"
#include "libs/telemetry/metrics.h"
#include "libs/testing/private_postgres.h"
#include "libs/testing/wait_for.h"
#include "tests/twins/feed_listener.h"
#include "tests/twins/rules.h"
#include "tests/twins/twin_process.h"
#include "tests/twins/writers.h"

namespace fleetcast::twin_history {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(60);

class ConcurrencyTest : public ::testing::Test {
 protected:
  ConcurrencyTest()
      : feed_(*rpc::Server::Start({.listen = "127.0.0.1:0"}, {{"feed", &listener_}}, metrics_)),
        twin_(testing::PrivatePostgres::Shared().NewDatabase(), absl::StrCat("127.0.0.1:", feed_->port())) {
    twin_.Start();
    client_ = std::make_unique<Client>(twin_.address());
    for (const std::string& device : devices_) {
      EXPECT_TRUE(testing::WaitFor([&] { return client_->CreateDevice(device).ok(); }, kLimit));
      recorder_.AddInitial(*client_->Read(device));
    }
  }

  // Waits until `count` more writes are done.
  void WaitForWrites(size_t count) {
    const size_t goal = recorder_.done() + count;
    ASSERT_TRUE(testing::WaitFor([&] { return recorder_.done() >= goal; }, kLimit));
  }

  // The whole history, once everything has come to rest.
  History Finish(Writers& writers) {
    writers.Stop();
    for (const std::string& device : devices_) {
      absl::StatusOr<Snapshot> last = absl::UnknownError("");
      EXPECT_TRUE(testing::WaitFor(
          [&] {
            last = client_->Read(device);
            return last.ok() && recorder_.FeedVersion(device) >= last->desired_version;
          },
          kLimit));
      if (last.ok()) recorder_.AddRead(*std::move(last));
    }
    return recorder_.Take();
  }

  static void Judge(const History& history) {
    std::map<std::string, int> counts;
    for (const Operation& operation : history.operations) {
      static constexpr const char* kNames[] = {"done", "refused", "unknown"};
      ++counts[absl::StrCat(kNames[static_cast<int>(operation.result)], " ", operation.reason)];
    }
    std::printf("%zu writes, %zu reads, %zu changes fed\n", history.operations.size(), history.reads.size(),
                history.feed.size());
    for (const auto& [what, count] : counts) std::printf("  %6d %s\n", count, what.c_str());
    const std::vector<Violation> violations = Check(history);
    for (size_t i = 0; i < violations.size() && i < 20; ++i) {
      ADD_FAILURE() << violations[i].rule << ": " << violations[i].text;
    }
    EXPECT_TRUE(violations.empty()) << violations.size();
    for (const char* expected : {"refused ETAG_MISMATCH", "refused INVALID_TWIN", "refused STALE_SESSION"}) {
      EXPECT_GT(counts[expected], 0) << expected << ": the run asked too little";
    }
  }

  telemetry::Metrics metrics_;
  Recorder recorder_;
  FeedListener listener_{recorder_};
  std::unique_ptr<rpc::Server> feed_;
  TwinProcess twin_;
  std::unique_ptr<Client> client_;
  std::vector<std::string> devices_ = {"a", "b", "c"};
};

TEST_F(ConcurrencyTest, ThirtyTwoWritersOnThreeTwins) {
  Writers writers(twin_.address(), devices_, recorder_);
  WaitForWrites(6000);
  Judge(Finish(writers));
}

TEST_F(ConcurrencyTest, TheServiceIsKilledAndStartedAgainMeanwhile) {
  Writers writers(twin_.address(), devices_, recorder_);
  for (int kills = 0; kills < 8; ++kills) {
    WaitForWrites(400);
    twin_.Kill();
    twin_.Start();
  }
  WaitForWrites(400);
  Judge(Finish(writers));
}

}  // namespace
}  // namespace fleetcast::twin_history
