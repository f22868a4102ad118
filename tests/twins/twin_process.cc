#include "tests/twins/twin_process.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <filesystem>
#include <vector>

#include "libs/auth/base64.h"
#include "libs/base/check.h"
#include "libs/base/random.h"
#include "libs/testing/free_port.h"

namespace fleetcast::twin_history {
namespace {

constexpr size_t kKeyBytes = 32;

// bin/fleetcast-twin beside the folder that this program is in.
std::string Program() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "bin" / "fleetcast-twin";
}

}  // namespace

TwinProcess::TwinProcess(std::string postgres, std::string feed_address)
    : postgres_(std::move(postgres)),
      feed_address_(std::move(feed_address)),
      address_("127.0.0.1:" + std::to_string(testing::FreePort())) {
  key_file_ = (std::filesystem::temp_directory_path() / "fleetcast-twin-key-XXXXXX").string();
  const int file = mkstemp(key_file_.data());
  const std::string key = auth::Base64Encode(RandomBytes(kKeyBytes));
  FLEETCAST_CHECK(file >= 0 && write(file, key.data(), key.size()) == static_cast<ssize_t>(key.size()));
  close(file);
}

TwinProcess::~TwinProcess() {
  Kill();
  unlink(key_file_.c_str());
}

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
                                      "--key-encryption-key-file=" + key_file_,
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
