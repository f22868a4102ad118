// PostgreSQL refuses to run as root. When this tool does, such a server runs as another user.
#pragma once

#include <optional>
#include <string>

#include <sys/types.h>

namespace fleetcast::dev {

struct UserIds {
  uid_t uid = 0;
  gid_t gid = 0;
};

// Whom servers that refuse root run as: nobody special (nullopt) when this process is not root, else the user
// `postgres`, else `nobody`.
std::optional<UserIds> UnprivilegedUser();

// Whether `user` can reach files inside `directory` (every directory on the way may be passed). The directory need not
// exist: then its nearest existing parent counts.
bool CanReach(const UserIds& user, const std::string& directory);

}  // namespace fleetcast::dev
