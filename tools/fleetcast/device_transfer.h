// `fleetcast device import` and `fleetcast device export`.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "tools/fleetcast/context.h"

namespace fleetcast::cli {

struct ImportOptions {
  std::string file;    // "-" = standard input.
  std::string errors;  // Where lines that failed go, as JSON lines; empty = the first ones on standard error.
};

// Sends the lines of a file to the registry, some requests ahead of their answers, in bounded memory. Prints what
// became of them. FAILED_PRECONDITION when lines failed; the others took effect. Ctrl-C stops after what was sent; the
// same file may be imported again.
absl::Status ImportDevices(Context& context, const ImportOptions& options);

struct ExportOptions {
  std::string file;  // "-" = standard output.
  bool exclude_keys = false;
};

// Writes all devices, modules and twins as lines. A file appears under its name when it is complete, readable by its
// owner only, since it holds keys.
absl::Status ExportDevices(Context& context, const ExportOptions& options);

}  // namespace fleetcast::cli
