#include "tools/fleetcast/dev/child.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"
#include "tools/fleetcast/files.h"

namespace fleetcast::dev {
namespace {

// Everything that the child needs between fork and exec, made before: after fork in a process with threads only
// async-signal-safe functions may be called.
struct Prepared {
  std::vector<std::string> environment;
  std::vector<char*> environment_pointers;
  std::vector<char*> arguments;
  int log_fd = -1;
  int error_fd = -1;  // Gets errno when exec fails; closed by a successful exec.
};

Prepared Prepare(const ChildSpec& spec) {
  Prepared prepared;
  for (char** variable = environ; *variable != nullptr; ++variable) prepared.environment.emplace_back(*variable);
  // The last one of a name does not win in execve: ours go first.
  for (const auto& [name, value] : spec.environment) {
    prepared.environment.insert(prepared.environment.begin(), absl::StrCat(name, "=", value));
  }
  for (std::string& variable : prepared.environment) prepared.environment_pointers.push_back(variable.data());
  prepared.environment_pointers.push_back(nullptr);
  for (const std::string& argument : spec.command) prepared.arguments.push_back(const_cast<char*>(argument.c_str()));
  prepared.arguments.push_back(nullptr);
  return prepared;
}

// In the child. Returns only on failure.
void Become(const ChildSpec& spec, const Prepared& prepared, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  setpgid(0, 0);
  const int null_fd = open("/dev/null", O_RDONLY);
  if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(prepared.log_fd, 1) < 0 || dup2(prepared.log_fd, 2) < 0) return;
  if (spec.user.has_value() &&
      (setgroups(0, nullptr) != 0 || setgid(spec.user->gid) != 0 || setuid(spec.user->uid) != 0)) {
    return;
  }
  // Our working directory may be closed to that user, which programs of PostgreSQL complain about in their output.
  if (spec.user.has_value() && chdir("/") != 0) return;
  // After setuid, which clears it. If the parent is gone already, nobody will send it.
  prctl(PR_SET_PDEATHSIG, spec.orphan_signal);
  if (getppid() != parent) return;
  execve(prepared.arguments[0], prepared.arguments.data(), prepared.environment_pointers.data());
}

absl::StatusOr<pid_t> SpawnWithOutput(const ChildSpec& spec, int output_fd) {
  Prepared prepared = Prepare(spec);
  prepared.log_fd = output_fd;
  int error_pipe[2];
  if (pipe2(error_pipe, O_CLOEXEC) != 0) return files::SystemError(errno, "pipe");
  prepared.error_fd = error_pipe[1];
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    Become(spec, prepared, parent);
    const int error = errno;
    [[maybe_unused]] const ssize_t written = write(prepared.error_fd, &error, sizeof(error));
    _exit(127);
  }
  close(error_pipe[1]);
  int error = child < 0 ? errno : 0;
  // End of file: exec succeeded and closed the pipe.
  const bool failed = child < 0 || read(error_pipe[0], &error, sizeof(error)) == sizeof(error);
  close(error_pipe[0]);
  if (!failed) return child;
  if (child > 0) waitpid(child, nullptr, 0);
  return files::SystemError(error, absl::StrCat("cannot start ", spec.command[0]));
}

}  // namespace

absl::StatusOr<pid_t> Spawn(const ChildSpec& spec) {
  const int log_fd = open(spec.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0) return files::SystemError(errno, spec.log_file);
  absl::StatusOr<pid_t> child = SpawnWithOutput(spec, log_fd);
  close(log_fd);
  return child;
}

absl::StatusOr<std::string> RunToEnd(const ChildSpec& spec) {
  int output_pipe[2];
  if (pipe2(output_pipe, O_CLOEXEC) != 0) return files::SystemError(errno, "pipe");
  const absl::StatusOr<pid_t> child = SpawnWithOutput(spec, output_pipe[1]);
  close(output_pipe[1]);
  std::string output;
  char buffer[4096];
  for (ssize_t count = 0; child.ok() && (count = read(output_pipe[0], buffer, sizeof(buffer))) > 0;) {
    output.append(buffer, static_cast<size_t>(count));
  }
  close(output_pipe[0]);
  FLEETCAST_RETURN_IF_ERROR(child.status());
  int status = 0;
  waitpid(*child, &status, 0);
  if (status == 0) return output;
  return absl::FailedPreconditionError(absl::StrCat(spec.name, " failed (", DescribeExit(status), "):\n", output));
}

std::string DescribeExit(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    return absl::StrCat("signal ", WTERMSIG(wait_status), " (", strsignal(WTERMSIG(wait_status)), ")");
  }
  return absl::StrCat("exit code ", WEXITSTATUS(wait_status));
}

std::string TailOf(const std::string& file, int lines) {
  const absl::StatusOr<std::string> text = files::Read(file);
  if (!text.ok()) return "";
  std::vector<std::string> all = absl::StrSplit(*text, '\n');
  if (!all.empty() && all.back().empty()) all.pop_back();
  if (all.size() > static_cast<size_t>(lines)) all.erase(all.begin(), all.end() - lines);
  return absl::StrJoin(all, "\n");
}

}  // namespace fleetcast::dev
