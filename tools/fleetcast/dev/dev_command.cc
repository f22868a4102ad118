#include "tools/fleetcast/dev/dev_command.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <functional>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "tools/fleetcast/dev/dev_env.h"
#include "tools/fleetcast/dev/ports.h"
#include "tools/fleetcast/dev/run_lock.h"
#include "tools/fleetcast/dev/supervisor.h"
#include "tools/fleetcast/exit_codes.h"
#include "tools/fleetcast/files.h"

namespace fleetcast::dev {
namespace {

constexpr absl::Duration kStopLimit = absl::Seconds(90);
constexpr absl::Duration kLookInterval = absl::Milliseconds(50);

void Say(std::string_view line) { std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data()); }

int Fail(const absl::Status& status) {
  Say(absl::StrCat("error: ", status.message()));
  return cli::kExitFailed;
}

// Where data is kept unless the user says: beside the env file, or, when a server's user cannot get there (a checkout
// in root's home), in a directory of its own below /var/tmp.
std::string DefaultDataDir(const std::string& env_file) {
  const std::string beside = std::filesystem::path(env_file).parent_path().string() + "/data";
  const std::optional<UserIds> user = UnprivilegedUser();
  if (!user.has_value() || CanReach(*user, beside)) return beside;
  const size_t hash = std::hash<std::string>()(env_file);
  return absl::StrCat("/var/tmp/fleetcast-", geteuid(), "-", absl::Hex(hash, absl::kZeroPad16));
}

// Removes what a stack of ours left in `data_dir`, and nothing else.
absl::Status Wipe(const std::string& data_dir) {
  std::error_code error;
  if (!std::filesystem::exists(data_dir, error) || std::filesystem::is_empty(data_dir, error)) return absl::OkStatus();
  if (!std::filesystem::exists(absl::StrCat(data_dir, "/", kDataMarker), error)) {
    return absl::FailedPreconditionError(absl::StrCat(data_dir, " holds files that are not ours: not wiped"));
  }
  std::filesystem::remove_all(data_dir, error);
  return error ? files::SystemError(error.value(), data_dir) : absl::OkStatus();
}

// Logs begin anew with every run.
void RemoveLogs(const std::string& data_dir) {
  std::error_code ignored;
  std::filesystem::remove_all(data_dir + "/logs", ignored);
}

// The stack in the foreground, from the lock to the last child's end.
int Supervise(const DevOptions& options, const std::function<void()>& ready) {
  RunLock lock(options.env_file);
  if (const absl::Status taken = lock.Take(); !taken.ok()) return Fail(taken);
  DevEnv env;
  const auto write_env = [&] {
    if (const absl::Status written = WriteDevEnv(options.env_file, env); !written.ok()) Say(written.message().data());
  };
  Stack stack;
  bool serving = false;
  Supervisor* running = nullptr;
  Supervisor supervisor(SystemClock(),
                        {.say = [](std::string_view line) { Say(absl::StrCat("fleetcast dev: ", Absl(line))); },
                         .ready =
                             [&stack](const std::string& name) {
                               Say(absl::StrCat("   ", name, " is ready"));
                               return name == "postgres" ? EnsureDatabase(stack) : absl::OkStatus();
                             },
                         .pids_changed =
                             [&] {
                               env.pids = running->pids();
                               if (serving) write_env();
                             }});
  running = &supervisor;
  const auto start = [&]() -> absl::Status {
    if (options.fresh) FLEETCAST_RETURN_IF_ERROR(Wipe(options.stack.data_dir));
    RemoveLogs(options.stack.data_dir);
    FLEETCAST_ASSIGN_OR_RETURN(stack, PrepareStack(options.stack, SystemRandom()));
    return supervisor.Start(ChildrenOf(stack));
  };
  unlink(options.env_file.c_str());
  const absl::Status started = start();
  if (started.ok()) {
    env = stack.env;
    env.pids = supervisor.pids();
    write_env();
    serving = true;
    Say(FormatBanner(env, options.env_file));
    ready();
    supervisor.Run();
  }
  Say("stopping");
  unlink(options.env_file.c_str());
  supervisor.Stop();
  if (started.ok() || absl::IsCancelled(started)) return cli::kExitOk;
  return Fail(started);
}

// Copies what came to the file since `offset` to standard error.
void CopyNew(const std::string& file, size_t& offset) {
  const absl::StatusOr<std::string> text = files::Read(file);
  if (!text.ok() || text->size() <= offset) return;
  std::fwrite(text->data() + offset, 1, text->size() - offset, stderr);
  offset = text->size();
}

// Runs Supervise in a process of its own, shows what it says, and returns when it is ready or has failed.
int SuperviseDetached(const DevOptions& options) {
  const std::string log = std::filesystem::path(options.env_file).replace_extension(".log").string();
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(log).parent_path(), ignored);
  int ready_pipe[2];
  if (pipe2(ready_pipe, O_CLOEXEC) != 0) return Fail(files::SystemError(errno, "pipe"));
  const pid_t child = fork();
  if (child < 0) return Fail(files::SystemError(errno, "fork"));
  if (child == 0) {
    close(ready_pipe[0]);
    setsid();
    const int log_fd = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log_fd < 0 || null_fd < 0) return Fail(files::SystemError(errno, log));
    dup2(null_fd, 0);
    dup2(log_fd, 1);
    dup2(log_fd, 2);
    return Supervise(options, [&ready_pipe] { [[maybe_unused]] const auto done = write(ready_pipe[1], "r", 1); });
  }
  close(ready_pipe[1]);
  // The pipe says "ready", or ends with the child; meanwhile its log is shown.
  fcntl(ready_pipe[0], F_SETFL, O_NONBLOCK);
  size_t shown = 0;
  char byte = 0;
  ssize_t count = -1;
  while ((count = read(ready_pipe[0], &byte, 1)) < 0 && (errno == EAGAIN || errno == EINTR)) {
    CopyNew(log, shown);
    SystemClock().Sleep(kLookInterval, {});
  }
  CopyNew(log, shown);
  if (count == 1) return cli::kExitOk;
  int status = 0;
  waitpid(child, &status, 0);
  CopyNew(log, shown);
  return WIFEXITED(status) ? WEXITSTATUS(status) : cli::kExitFailed;
}

}  // namespace

int RunDev(DevOptions options) {
  options.env_file = files::Absolute(options.env_file);
  if (options.stack.data_dir.empty()) options.stack.data_dir = DefaultDataDir(options.env_file);
  options.stack.data_dir = files::Absolute(options.stack.data_dir);
  const bool is_auto = options.stack.host == "auto";
  HostClaim claim = is_auto ? FindHost({443, 8883}) : HostClaim(options.stack.host);
  if (!is_auto) claim.Take();  // So that nobody finds it free. Whoever names an address gets it, though.
  options.stack.host = claim.host();
  if (const std::optional<pid_t> pid = RunLock(options.env_file).Holder(); pid.has_value()) {
    Say(absl::StrCat("It runs already (pid ", *pid, ")."));
    const absl::StatusOr<DevEnv> env = ReadDevEnv(options.env_file);
    Say(env.ok() ? FormatBanner(*env, options.env_file) : "It is still starting.");
    return cli::kExitOk;
  }
  return options.detach ? SuperviseDetached(options) : Supervise(options, [] {});
}

int StopDev(const std::string& env_file) {
  const RunLock lock(files::Absolute(env_file));
  const std::optional<pid_t> pid = lock.Holder();
  if (!pid.has_value()) {
    Say("Nothing runs here.");
    return cli::kExitOk;
  }
  if (kill(*pid, SIGTERM) != 0) return Fail(files::SystemError(errno, absl::StrCat("process ", *pid)));
  const absl::Duration deadline = SystemClock().Monotonic() + kStopLimit;
  while (lock.Holder() == pid) {
    if (SystemClock().Monotonic() > deadline) {
      return Fail(absl::DeadlineExceededError(absl::StrCat("process ", *pid, " does not stop")));
    }
    SystemClock().Sleep(kLookInterval, {});
  }
  Say("Stopped.");
  return cli::kExitOk;
}

}  // namespace fleetcast::dev
