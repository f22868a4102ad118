// The few file operations of this tool, as statuses.
#pragma once

#include <string>
#include <string_view>

#include <sys/types.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fleetcast::files {

// A status for the system call error `error` on `what`: NOT_FOUND, PERMISSION_DENIED or UNAVAILABLE.
absl::Status SystemError(int error, std::string_view what);

// The whole content of the file, at most 16 MiB.
absl::StatusOr<std::string> Read(const std::string& path);

// Makes `path` hold exactly `text` with these permissions, in one step: a reader sees the old or the new file.
absl::Status Replace(const std::string& path, std::string_view text, mode_t mode);

// Makes the directory and its parents. The directory itself gets these permissions, also when it exists; it must belong
// to this user (PERMISSION_DENIED else: somebody else could have put it there).
absl::Status MakeDirectory(const std::string& path, mode_t mode);

// The absolute form of `path`, which need not exist.
std::string Absolute(const std::string& path);

}  // namespace fleetcast::files
