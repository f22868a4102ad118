#include "tools/fleetcast/endpoints.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tools/fleetcast/dev/dev_env.h"

namespace fleetcast::cli {
namespace {

// The nearest .local/dev.env in `directory` or above; empty when there is none.
std::string NearestEnvFile(const std::string& directory) {
  std::error_code error;
  std::filesystem::path at = std::filesystem::absolute(directory, error);
  while (true) {
    const std::filesystem::path file = at / ".local" / "dev.env";
    if (std::filesystem::exists(file, error)) return file.string();
    if (at == at.parent_path()) return "";
    at = at.parent_path();
  }
}

void Fill(std::string& endpoint, const std::optional<std::string>& value) {
  if (endpoint.empty() && value.has_value()) endpoint = *value;
}

}  // namespace

absl::StatusOr<Endpoints> FindEndpoints(const Endpoints& flags, const Environment& environment,
                                        const std::string& env_file, const std::string& directory) {
  Endpoints found = flags;
  Fill(found.jobs, environment("FLEETCAST_GRPC_JOBS"));
  Fill(found.twins, environment("FLEETCAST_GRPC_TWINS"));
  Fill(found.methods, environment("FLEETCAST_GRPC_METHODS"));
  Fill(found.sessions, environment("FLEETCAST_GRPC_SESSIONS"));
  const std::string file = env_file.empty() ? NearestEnvFile(directory) : env_file;
  if (file.empty()) return found;
  const absl::StatusOr<dev::DevEnv> env = dev::ReadDevEnv(file);
  if (!env.ok()) return absl::InvalidArgumentError(absl::StrCat("--env-file: ", env.status().message()));
  Fill(found.jobs, env->grpc_jobs);
  Fill(found.twins, env->grpc_twins);
  Fill(found.methods, env->grpc_methods);
  Fill(found.sessions, env->grpc_sessions);
  return found;
}

}  // namespace fleetcast::cli
