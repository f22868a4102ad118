#include "tools/fleetcast/dev/run_lock.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fleetcast::dev {
namespace {

// Locks belong to processes: what another one sees is asked in a child.
template <typename Check>
bool InChild(Check check) {
  const pid_t child = fork();
  if (child == 0) _exit(check() ? 0 : 1);
  int status = 1;
  waitpid(child, &status, 0);
  return status == 0;
}

TEST(RunLockTest, TellsWhoHoldsIt) {
  const std::string directory = testing::TempDir() + "/run_lock." + std::to_string(getpid());
  const std::string file = directory + "/dev.env";
  const pid_t self = getpid();
  EXPECT_EQ(RunLock(file).Holder(), std::nullopt);
  {
    RunLock lock(file);
    ASSERT_TRUE(lock.Take().ok());
    EXPECT_TRUE(InChild([&] { return RunLock(file).Holder() == self; }));
    EXPECT_TRUE(InChild([&] { return absl::IsAlreadyExists(RunLock(file).Take()); }));
  }
  EXPECT_TRUE(InChild([&] { return RunLock(file).Take().ok(); }));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace fleetcast::dev
