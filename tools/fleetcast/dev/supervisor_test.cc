#include "tools/fleetcast/dev/supervisor.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tools/fleetcast/files.h"

namespace fleetcast::dev {
namespace {

using testing::HasSubstr;

TEST(RestartPolicyTest, WaitsLongerAfterEachDeath) {
  RestartPolicy policy;
  EXPECT_EQ(policy.AfterDeath(absl::ZeroDuration()), absl::Milliseconds(100));
  EXPECT_EQ(policy.AfterDeath(absl::ZeroDuration()), absl::Milliseconds(200));
  for (int i = 0; i < 20; ++i) policy.AfterDeath(absl::ZeroDuration());
  EXPECT_EQ(policy.AfterDeath(absl::ZeroDuration()), RestartPolicy::kMost);
}

TEST(RestartPolicyTest, ALongLifeIsForgiven) {
  RestartPolicy policy;
  for (int i = 0; i < 5; ++i) policy.AfterDeath(absl::ZeroDuration());
  EXPECT_EQ(policy.AfterDeath(RestartPolicy::kForgiven), RestartPolicy::kFirst);
}

class SupervisorTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(files::MakeDirectory(directory_, 0700).ok()); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // The script is to be one process: what a shell started would live on when the shell is killed.
  ChildSpec Shell(const std::string& name, const std::string& script) {
    ChildSpec spec;
    spec.name = name;
    spec.command = {"/bin/sh", "-c", script};
    spec.log_file = directory_ + "/" + name + ".log";
    spec.is_ready = [file = ReadyFile(name)] { return access(file.c_str(), F_OK) == 0; };
    return spec;
  }

  // Serves at once, until it is killed.
  ChildSpec Live(const std::string& name, const std::string& before = "") {
    return Shell(name, before + ": > " + ReadyFile(name) + "; exec sleep 100");
  }

  std::string ReadyFile(const std::string& name) const { return directory_ + "/" + name + ".ready"; }

  Supervisor::Events Events() {
    return {.say = [this](std::string_view line) { said_ += std::string(line) + "\n"; },
            .ready =
                [this](const std::string& name) {
                  ready_.push_back(name);
                  return absl::OkStatus();
                },
            .pids_changed =
                [this] {
                  if (on_change_) on_change_();
                }};
  }

  const std::string directory_ = testing::TempDir() + "/supervisor." + std::to_string(getpid());
  std::string said_;
  std::vector<std::string> ready_;
  std::function<void()> on_change_;
};

TEST_F(SupervisorTest, StartsInOrderAndRestartsWhatDies) {
  Supervisor supervisor(SystemClock(), Events());
  ASSERT_TRUE(supervisor.Start({Live("one"), Live("two")}).ok());
  EXPECT_THAT(ready_, testing::ElementsAre("one", "two"));
  const auto before = supervisor.pids();
  ASSERT_EQ(before.size(), 2u);
  on_change_ = [] { kill(getpid(), SIGTERM); };  // Ends Run.
  kill(before[0].second, SIGKILL);
  supervisor.Run();
  const auto after = supervisor.pids();
  ASSERT_EQ(after.size(), 2u);
  EXPECT_NE(after[0].second, before[0].second);
  EXPECT_EQ(after[1].second, before[1].second);
  EXPECT_THAT(said_, HasSubstr("one died (signal 9"));
  supervisor.Stop();
  EXPECT_TRUE(supervisor.pids().empty());
}

// The system's clock, and steps ahead of it.
class SteppingClock final : public Clock {
 public:
  absl::Time Now() override { return SystemClock().Now() + ahead; }
  absl::Duration Monotonic() override { return SystemClock().Monotonic() + ahead; }
  bool Sleep(absl::Duration duration, std::stop_token stop) override { return SystemClock().Sleep(duration, stop); }

  absl::Duration ahead;
};

TEST_F(SupervisorTest, RestartsWhatIsOverdueBecauseAnotherStartTookLong) {
  SteppingClock clock;
  Supervisor supervisor(clock, Events());
  ASSERT_TRUE(supervisor.Start({Live("one"), Live("two")}).ok());
  int changes = 0;
  on_change_ = [&] {
    ++changes;
    if (changes == 1) {  // The second has died once: next time it waits longer than the first.
      for (const auto& [name, pid] : supervisor.pids()) kill(pid, SIGKILL);
    } else if (changes == 2) {
      clock.ahead = absl::Minutes(1);
    } else {
      kill(getpid(), SIGTERM);
    }
  };
  kill(supervisor.pids()[1].second, SIGKILL);
  supervisor.Run();
  EXPECT_EQ(changes, 3);
  EXPECT_EQ(supervisor.pids().size(), 2u);
}

TEST_F(SupervisorTest, ShowsTheLogOfAChildThatDoesNotStart) {
  Supervisor supervisor(SystemClock(), Events());
  const absl::Status status = supervisor.Start({Shell("broken", "echo cannot bind; exit 78")});
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("broken ended at once: exit code 78"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot bind"));
}

TEST_F(SupervisorTest, SaysWhichProgramIsMissing) {
  ChildSpec spec = Shell("missing", "");
  spec.command = {"/does/not/exist"};
  Supervisor supervisor(SystemClock(), Events());
  EXPECT_THAT(std::string(supervisor.Start({spec}).message()), HasSubstr("cannot start /does/not/exist"));
}

TEST_F(SupervisorTest, KillsWhatDoesNotStop) {
  Supervisor supervisor(SystemClock(), Events());
  ChildSpec spec = Live("deaf", "trap '' TERM; ");
  spec.patience = absl::Milliseconds(100);
  ASSERT_TRUE(supervisor.Start({spec}).ok());
  supervisor.Stop();
  EXPECT_TRUE(supervisor.pids().empty());
  EXPECT_THAT(said_, HasSubstr("deaf does not stop: killed"));
}

TEST(ChildTest, RunsAProgramToItsEnd) {
  ChildSpec spec;
  spec.name = "echo";
  spec.command = {"/bin/sh", "-c", "echo $GREETING"};
  spec.environment = {{"GREETING", "hello"}};
  EXPECT_EQ(RunToEnd(spec).value(), "hello\n");
  spec.command = {"/bin/sh", "-c", "echo oh no; exit 3"};
  EXPECT_THAT(std::string(RunToEnd(spec).status().message()), HasSubstr("exit code 3):\noh no"));
}

}  // namespace
}  // namespace fleetcast::dev
