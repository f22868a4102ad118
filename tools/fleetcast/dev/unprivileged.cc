#include "tools/fleetcast/dev/unprivileged.h"

#include <filesystem>

#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fleetcast::dev {

std::optional<UserIds> UnprivilegedUser() {
  if (geteuid() != 0) return std::nullopt;
  for (const char* const name : {"postgres", "nobody"}) {
    if (const passwd* const entry = getpwnam(name); entry != nullptr) return UserIds{entry->pw_uid, entry->pw_gid};
  }
  return UserIds{65534, 65534};
}

bool CanReach(const UserIds& user, const std::string& directory) {
  std::filesystem::path existing(directory);
  std::error_code error;
  while (!std::filesystem::exists(existing, error) && existing.has_relative_path()) existing = existing.parent_path();
  // Only the kernel knows (modes, groups, mount options): a child becomes that user and looks.
  const pid_t child = fork();
  if (child == 0) {
    const bool good = setgroups(0, nullptr) == 0 && setgid(user.gid) == 0 && setuid(user.uid) == 0 &&
                      access(existing.c_str(), X_OK) == 0;
    _exit(good ? 0 : 1);
  }
  int status = 1;
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

}  // namespace fleetcast::dev
