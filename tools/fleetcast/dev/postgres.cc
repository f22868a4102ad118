#include "tools/fleetcast/dev/postgres.h"

#include <cerrno>
#include <filesystem>

#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "tools/fleetcast/files.h"

namespace fleetcast::dev {
namespace {

constexpr char kUser[] = "fleetcast";  // Role and database.
constexpr int kConnectionsMax = 200;

std::string ClusterDir(const Stack& stack) { return stack.Path("postgres"); }
std::string PasswordFile(const Stack& stack) { return stack.Path("postgres.password"); }

// A program of PostgreSQL that runs to its end, as the user of the cluster.
ChildSpec Program(const Stack& stack, const std::string& program, std::vector<std::string> arguments) {
  ChildSpec spec;
  spec.name = program;
  spec.command = {absl::StrCat(stack.postgres_binaries, "/", program)};
  spec.command.insert(spec.command.end(), arguments.begin(), arguments.end());
  spec.environment = {{"LC_ALL", "C"}, {"PGPASSWORD", stack.postgres_password}};
  spec.user = UnprivilegedUser();
  return spec;
}

absl::Status GiveTo(const std::optional<UserIds>& user, const std::string& path) {
  if (!user.has_value() || chown(path.c_str(), user->uid, user->gid) == 0) return absl::OkStatus();
  return files::SystemError(errno, path);
}

// PostgreSQL writes "ready" as the eighth line of postmaster.pid when it serves. The fourth line is its port: a file
// that an earlier, killed server left behind has another one.
bool IsReady(const std::string& cluster, int port) {
  const absl::StatusOr<std::string> text = files::Read(absl::StrCat(cluster, "/postmaster.pid"));
  if (!text.ok()) return false;
  const std::vector<absl::string_view> lines = absl::StrSplit(*text, '\n');
  return lines.size() > 7 && lines[3] == absl::StrCat(port) && absl::StripAsciiWhitespace(lines[7]) == "ready";
}

}  // namespace

absl::StatusOr<std::string> FindPostgres() {
  std::string newest;
  int newest_version = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", error)) {
    int version = 0;
    const std::string binaries = entry.path().string() + "/bin";
    if (absl::SimpleAtoi(entry.path().filename().string(), &version) && version > newest_version &&
        access((binaries + "/initdb").c_str(), X_OK) == 0) {
      newest = binaries;
      newest_version = version;
    }
  }
  if (newest.empty()) return absl::NotFoundError("PostgreSQL is not installed\ntry:   scripts/install-deps");
  return newest;
}

absl::Status EnsureCluster(Stack& stack) {
  const std::string cluster = ClusterDir(stack);
  const std::string version_file = absl::StrCat(cluster, "/PG_VERSION");
  if (absl::StatusOr<std::string> password = files::Read(PasswordFile(stack));
      password.ok() && access(version_file.c_str(), F_OK) == 0) {
    stack.postgres_password = *std::move(password);
    return absl::OkStatus();
  }
  std::error_code ignored;
  std::filesystem::remove_all(cluster, ignored);  // What an interrupted initdb left.
  FLEETCAST_RETURN_IF_ERROR(files::MakeDirectory(cluster, 0700));
  const std::optional<UserIds> user = UnprivilegedUser();
  FLEETCAST_RETURN_IF_ERROR(GiveTo(user, cluster));
  stack.postgres_password = RandomId();
  FLEETCAST_RETURN_IF_ERROR(files::Replace(PasswordFile(stack), stack.postgres_password, 0600));
  FLEETCAST_RETURN_IF_ERROR(GiveTo(user, PasswordFile(stack)));
  return RunToEnd(Program(stack, "initdb",
                          {"--pgdata", cluster, "--username", kUser, "--pwfile", PasswordFile(stack), "--encoding=UTF8",
                           "--locale=C", "--auth-host=scram-sha-256", "--auth-local=reject", "--no-instructions"}))
      .status();
}

ChildSpec PostgresChild(const Stack& stack) {
  const auto setting = [](const std::string& name, const auto& value) { return absl::StrCat("--", name, "=", value); };
  ChildSpec spec = Program(
      stack, "postgres",
      {"-D", ClusterDir(stack), setting("listen_addresses", stack.options.host), setting("port", stack.postgres_port),
       setting("unix_socket_directories", ""), setting("max_connections", kConnectionsMax),
       setting("shared_buffers", "256MB"), setting("max_wal_size", "4GB"), setting("log_line_prefix", "%m [%p] "),
       setting("log_checkpoints", "off")});
  spec.name = kPostgresName;
  spec.log_file = stack.Path("logs/postgres.log");
  spec.environment = {{"LC_ALL", "C"}};
  spec.stop_signal = SIGINT;  // Fast shutdown: open transactions are rolled back.
  spec.orphan_signal = SIGINT;
  spec.patience = absl::Seconds(30);
  spec.is_ready = [cluster = ClusterDir(stack), port = stack.postgres_port] { return IsReady(cluster, port); };
  return spec;
}

std::string PostgresUri(const Stack& stack) {
  return absl::StrCat("postgresql://", kUser, ":", stack.postgres_password, "@", stack.Address(stack.postgres_port),
                      "/", kUser);
}

absl::Status EnsureDatabase(const Stack& stack) {
  const std::vector<std::string> connection = {
      "--host", stack.options.host, "--port", absl::StrCat(stack.postgres_port), "--username", kUser, "--no-password"};
  std::vector<std::string> ask = connection;
  ask.insert(ask.end(), {"--dbname=postgres", "--no-psqlrc", "--tuples-only", "--no-align", "--command",
                         absl::StrCat("SELECT 1 FROM pg_database WHERE datname = '", kUser, "'")});
  FLEETCAST_ASSIGN_OR_RETURN(const std::string found, RunToEnd(Program(stack, "psql", ask)));
  if (absl::StripAsciiWhitespace(found) == "1") return absl::OkStatus();
  std::vector<std::string> create = connection;
  create.push_back(kUser);
  return RunToEnd(Program(stack, "createdb", create)).status();
}

}  // namespace fleetcast::dev
