#include "libs/testing/private_server.h"

#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "libs/base/check.h"

namespace fleetcast::testing {
namespace {

namespace fs = std::filesystem;

// A file in the directory that says: somebody else removes it.
constexpr char kKeepName[] = ".keep";

// $1 log, $2 stop signal, $3 directory, then the command. Its standard input is the pipe from the test.
constexpr char kKeeperScript[] = R"sh(
exec 2>/dev/null
trap '' INT TERM HUP
log=$1 signal=$2 directory=$3
shift 3
"$@" >"$log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -s "$signal" "$server" 2>/dev/null
wait "$server"
[ -e "$directory/.keep" ] || rm -rf "$directory"
)sh";

std::string ServerUser() {
  if (geteuid() != 0) return "";
  return getpwnam("postgres") != nullptr ? "postgres" : "nobody";
}

// Spawns `command` with `input` as its standard input (or none) and `directory` as its working directory.
pid_t Spawn(const std::vector<std::string>& command, const fs::path& directory, int input, const std::string& log) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, directory.c_str());
  if (input >= 0) {
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  }
  if (!log.empty()) {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  }
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  FLEETCAST_CHECK(error == 0);
  return pid;
}

}  // namespace

PrivateServer::PrivateServer(const std::string& purpose) : user_(ServerUser()) {
  std::string pattern = (fs::temp_directory_path() / ("fleetcast-" + purpose + "-XXXXXX")).string();
  FLEETCAST_CHECK(mkdtemp(pattern.data()) != nullptr);
  directory_ = pattern;
  if (!user_.empty()) {
    const passwd* entry = getpwnam(user_.c_str());
    FLEETCAST_CHECK(entry != nullptr && chown(directory_.c_str(), entry->pw_uid, entry->pw_gid) == 0);
  }
}

PrivateServer::~PrivateServer() {
  Stop();
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void PrivateServer::Stop() {
  if (keeper_ < 0) return;
  std::ofstream(directory_ / kKeepName).close();
  close(keeper_pipe_);
  waitpid(std::exchange(keeper_, -1), nullptr, 0);
  fs::remove(directory_ / kKeepName);
}

std::vector<std::string> PrivateServer::AsServerUser(const std::vector<std::string>& command) const {
  // Should the keeper itself be killed, the kernel still stops the server.
  std::vector<std::string> full = {"setpriv", "--pdeathsig", "KILL"};
  if (!user_.empty()) {
    const std::string group = std::to_string(getpwnam(user_.c_str())->pw_gid);
    full.insert(full.end(), {"--reuid", user_, "--regid", group, "--clear-groups"});
  }
  full.push_back("--");
  full.insert(full.end(), command.begin(), command.end());
  return full;
}

bool PrivateServer::RunToEnd(const std::vector<std::string>& command, const std::string& log_name) const {
  const pid_t pid = Spawn(AsServerUser(command), directory_, -1, directory_ / log_name);
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void PrivateServer::Start(const std::vector<std::string>& command, const std::string& log_name,
                          const std::string& stop_signal) {
  FLEETCAST_CHECK(keeper_ < 0);
  fs::remove(directory_ / log_name);  // Of an earlier start.
  int ends[2];
  FLEETCAST_CHECK(pipe2(ends, O_CLOEXEC) == 0);
  std::vector<std::string> keeper = {"sh",        "-c",      kKeeperScript, "keeper", directory_ / log_name,
                                     stop_signal, directory_};
  const std::vector<std::string> server = AsServerUser(command);
  keeper.insert(keeper.end(), server.begin(), server.end());
  keeper_ = Spawn(keeper, "/", ends[0], "");
  close(ends[0]);
  keeper_pipe_ = ends[1];
}

std::string PrivateServer::ReadFile(const std::string& name) const {
  std::ifstream file(directory_ / name);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace fleetcast::testing
