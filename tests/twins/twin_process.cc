#include "tests/twins/twin_process.h"

#include <spawn.h>
#include <sys/wait.h>
#include <csignal>
#include <filesystem>
#include <vector>

#include "libs/base/check.h"
#include "libs/testing/free_port.h"

namespace fleetcast::twin_history {
namespace {

// bin/fleetcast-twin beside the folder that this program is in.
std::string Program() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "bin" / "fleetcast-twin";
}

}  // namespace

TwinProcess::TwinProcess(std::string postgres, std::string feed_address)
    : postgres_(std::move(postgres)),
      feed_address_(std::move(feed_address)),
      address_("127.0.0.1:" + std::to_string(testing::FreePort())) {}

void TwinProcess::Start() {
  FLEETCAST_CHECK(pid_ < 0);
  // setpriv: the kernel ends the process when the thread that started it ends.
  std::vector<std::string> command = {"setpriv",
                                      "--pdeathsig",
                                      "KILL",
                                      "--",
                                      Program(),
                                      "--listen=" + address_,
                                      "--postgres=" + postgres_,
                                      "--migrate-on-start=true",
                                      "--allow-unsafe-database=true",
                                      "--log-level=warning",
                                      "--device-connection-addresses=" + feed_address_};
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  FLEETCAST_CHECK(posix_spawnp(&pid_, "setpriv", nullptr, nullptr, arguments.data(), environ) == 0);
}

void TwinProcess::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace fleetcast::twin_history
