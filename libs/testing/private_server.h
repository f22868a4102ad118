// A server program that belongs to one test and never outlives it. Internal to this folder.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace fleetcast::testing {

// A directory of its own under the system's temporary directory and a process working in it. Both are gone after the
// destructor, and also when the test program crashes or is killed: a small shell stands between them, waits for the end
// of a pipe from the test, stops the server and removes the directory.
class PrivateServer {
 public:
  // `purpose` is part of the directory's name. As root, the server runs as the user `postgres` or `nobody` (postgres
  // refuses root), who owns the directory.
  explicit PrivateServer(const std::string& purpose);
  ~PrivateServer();
  PrivateServer(const PrivateServer&) = delete;
  PrivateServer& operator=(const PrivateServer&) = delete;

  const std::filesystem::path& directory() const { return directory_; }

  // Runs `command` in the directory to its end. True when it exited with 0; its output is in `log_name`.
  bool RunToEnd(const std::vector<std::string>& command, const std::string& log_name) const;

  // Starts `command` in the directory, output to `log_name`. `stop_signal` is what ends it quickly.
  void Start(const std::vector<std::string>& command, const std::string& log_name, const std::string& stop_signal);

  // Ends what Start has started, by its signal, and keeps the directory: Start may follow.
  void Stop();

  // The content of a file in the directory; empty when there is none.
  std::string ReadFile(const std::string& name) const;

 private:
  std::vector<std::string> AsServerUser(const std::vector<std::string>& command) const;

  std::filesystem::path directory_;
  std::string user_;  // Empty: as ourselves.
  pid_t keeper_ = -1;
  int keeper_pipe_ = -1;  // Closing it, in whatever way, ends the server.
};

}  // namespace fleetcast::testing
