// The sessions of a hub and the directory, when Redis or another replica stood between them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <future>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "libs/testing/wait_for.h"
#include "services/device_connection/session_directory.h"
#include "services/device_connection/testing/hub_fixture.h"

namespace fleetcast::device_connection {
namespace {

using fleetcast::testing::WaitFor;
namespace pb = ::fleetcast::internal::v1;
using Result = pb::OpenSessionResult;

class HubDirectoryTest : public testing::HubFixture {
 protected:
  void RestartWithShortLeases() {
    StopHub();
    config_.edge_lease = absl::Seconds(2);
    StartHub();
  }

  // The session that stands there; 0 = none.
  int64_t Standing(const std::string& device_id) {
    const auto entries = directory_.Find({device_id});
    if (!entries.ok() || !entries->front().has_value() || !entries->front()->is_connected()) return 0;
    return entries->front()->epoch;
  }

  SessionDirectory directory_{*redis_client_};  // Of another replica.
  const NewSession elsewhere_{.device_id = "dev-1", .edge = {"edge-9", std::string(32, '9')}, .session = 5};
};

// Redis hears nothing and keeps all that is sent to it, until the end of this.
class StoppedRedis {
 public:
  explicit StoppedRedis(redis::Client& client) : pid_(PidOf(client)) { EXPECT_EQ(kill(pid_, SIGSTOP), 0); }
  ~StoppedRedis() { kill(pid_, SIGCONT); }

 private:
  static pid_t PidOf(redis::Client& client) {
    const auto info = client.Run({"INFO", "server"}, absl::Seconds(5));
    const std::vector<std::string> rest = absl::StrSplit(info->text, absl::MaxSplits("process_id:", 1));
    const std::vector<std::string> words = absl::StrSplit(rest.at(1), absl::MaxSplits('\r', 1));
    pid_t pid = 0;
    EXPECT_TRUE(absl::SimpleAtoi(words.front(), &pid));
    return pid;
  }

  const pid_t pid_;
};

TEST_F(HubDirectoryTest, ASessionIsToldToGoWhenTheOneThatSupersededItIsUndone) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  ASSERT_TRUE(directory_.Open({elsewhere_}).ok());
  ASSERT_TRUE(directory_.Undo({elsewhere_}).ok());
  EXPECT_TRUE(edge->AwaitDisconnect(1, opened.epoch()));
}

// S1: also if the newer one has ended by then, and nothing is stored for the device.
TEST_F(HubDirectoryTest, AnAnnouncedSessionThatIsOlderThanOneThatEndedIsToldToGo) {
  auto edge = NewEdge();
  const Result opened = edge->Open(1, "dev-1", Token("dev-1"), /*clean=*/true);
  edge.reset();
  NewSession newer = elsewhere_;
  newer.clean = true;
  const auto entered = directory_.Open({newer});
  ASSERT_TRUE(entered.ok());
  ASSERT_TRUE(directory_.Close({{"dev-1", entered->front().entry.epoch}}).ok());
  edge = NewEdge();
  edge->Announce(1, "dev-1", opened.epoch(), kMethods);
  EXPECT_TRUE(edge->AwaitDisconnect(1, opened.epoch()));
}

TEST_F(HubDirectoryTest, AConnectWhoseAnswerWasLostIsUndone) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  {
    const StoppedRedis stopped(*redis_client_);
    EXPECT_EQ(edge->Open(2, "dev-1", Token("dev-1")).code(), Result::CODE_UNAVAILABLE);
  }
  // It took effect then, and superseded the first.
  EXPECT_TRUE(edge->AwaitDisconnect(1, opened.epoch()));
  EXPECT_TRUE(WaitFor([&] { return Standing("dev-1") == 0; }));
}

TEST_F(HubDirectoryTest, AReviewIsRequestedWhenTheOlderSessionsEdgeLivesElsewhere) {
  RestartWithShortLeases();
  ASSERT_TRUE(WaitFor([&] { return directory_.Open({elsewhere_}).ok(); }));  // With a lease of ten seconds.
  ASSERT_EQ(*directory_.Reviews(), 0);
  const auto edge = NewEdge();
  OpenAccepted(*edge, 1, "dev-1");
  EXPECT_TRUE(WaitFor([&] { return directory_.Reviews().value_or(0) > 0; }));
}

TEST_F(HubDirectoryTest, SessionsAreEnteredAgainAfterAGapOfTheirEdgesLease) {
  RestartWithShortLeases();
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  ASSERT_TRUE(redis_client_->Run({"CLIENT", "PAUSE", "6000", "WRITE"}, absl::Seconds(5)).ok());
  ASSERT_TRUE(WaitFor([&] {  // Until the lease has run out, and another replica might take the edge for dead.
    edge->Heartbeat();
    const auto leases = directory_.HaveLeases({{"edge-0", std::string(32, 'a')}});
    return leases.ok() && !leases->front();
  }));
  // Waits for the end of the pause.
  ASSERT_TRUE(redis_client_->Run({"DEL", "fleetcast:session:dev-1"}, absl::Seconds(20)).ok());
  EXPECT_TRUE(WaitFor([&] {
    edge->Heartbeat();
    return Standing("dev-1") == opened.epoch();
  }));
}

TEST_F(HubDirectoryTest, AnEdgeIsAskedAboutTheSessionsThatItAnnounced) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  edge->Announce(1, "dev-1", opened.epoch(), kMethods);
  const auto check =
      edge->stream().Await<pb::SessionCheck>([](const pb::AttachResponse& response) -> std::optional<pb::SessionCheck> {
        if (response.session_checks_size() == 0) return std::nullopt;
        return response.session_checks(0);
      });
  ASSERT_TRUE(check.has_value());
  EXPECT_EQ(check->session(), 1u);
  EXPECT_EQ(check->device_id(), "dev-1");
  EXPECT_EQ(check->epoch(), opened.epoch());
}

// D-SES-1, also while its edge still announces what it holds.
TEST_F(HubDirectoryTest, ASubscribeBehindAnAnnouncementIsWhatStands) {
  const auto edge = NewEdge();
  const Result opened = OpenAccepted(*edge, 1, "dev-1");
  std::promise<void> release;
  std::promise<void> begun;
  twin_.DuringNextLookup([&] {
    begun.set_value();
    release.get_future().wait();
  });
  edge->Announce(1, "dev-1", opened.epoch(), 0);  // Keeps whoever works on announcements busy,
  ASSERT_EQ(begun.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  edge->Announce(1, "dev-1", opened.epoch(), 0);  // so that this one waits.
  auto subscribed = std::async(std::launch::async, [&] { edge->Subscribe(1, "dev-1", opened.epoch(), kMethods); });
  OpenAccepted(*edge, 2, "dev-2");  // Time enough for the SUBSCRIBE to go ahead.
  release.set_value();
  subscribed.wait();
  edge->Announce(2, "dev-2", 1, kDesired);  // When this is answered, all before it has been worked on.
  EXPECT_TRUE(edge->AwaitDisconnect(2, 1));
  const auto entries = directory_.Find({"dev-1"});
  ASSERT_TRUE(entries.ok() && entries->front().has_value());
  EXPECT_EQ(entries->front()->subscriptions, kMethods);
}

TEST_F(HubDirectoryTest, ASlowConnectIsEnteredInAMemoryThatBeganMeanwhile) {
  const auto edge = NewEdge();
  const Result first = OpenAccepted(*edge, 1, "dev-1");
  edge->Subscribe(1, "dev-1", first.epoch(), kMethods);
  twin_.HoldSaves(true);
  Result slow;
  std::jthread opening([&] { slow = edge->Open(2, "dev-1", Token("dev-1"), /*clean=*/true); });
  ASSERT_TRUE(WaitFor([&] { return Standing("dev-1") > first.epoch(); }));
  FlushRedis();
  const Result other = OpenAccepted(*edge, 3, "dev-2");
  EXPECT_GT(GenerationOf(other.epoch()), GenerationOf(first.epoch()));
  // The sessions of the table have been entered.
  EXPECT_TRUE(WaitFor([&] { return Standing("dev-1") == first.epoch(); }));
  twin_.HoldSaves(false);
  opening.join();
  ASSERT_EQ(slow.code(), Result::CODE_ACCEPTED);
  EXPECT_TRUE(WaitFor([&] { return Standing("dev-1") == slow.epoch(); }));
}

// S1: the newer session did not find this one in its memory of Redis, and came about first.
TEST_F(HubDirectoryTest, ASlowConnectThatFindsANewerSessionOfALaterMemoryIsToldToGo) {
  const auto edge = NewEdge();
  const Result first = OpenAccepted(*edge, 1, "dev-1");
  edge->Subscribe(1, "dev-1", first.epoch(), kMethods);
  twin_.HoldSaves(true);
  Result slow;
  std::jthread opening([&] { slow = edge->Open(2, "dev-1", Token("dev-1"), /*clean=*/true); });
  ASSERT_TRUE(WaitFor([&] { return Standing("dev-1") > first.epoch(); }));
  FlushRedis();
  const Result newer = OpenAccepted(*edge, 3, "dev-1");
  twin_.HoldSaves(false);
  opening.join();
  ASSERT_EQ(slow.code(), Result::CODE_ACCEPTED);
  EXPECT_LT(slow.epoch(), newer.epoch());
  EXPECT_TRUE(edge->AwaitDisconnect(2, slow.epoch()));
  EXPECT_EQ(Standing("dev-1"), newer.epoch());
}

}  // namespace
}  // namespace fleetcast::device_connection
