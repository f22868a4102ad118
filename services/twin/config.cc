#include "services/twin/config.h"

#include "absl/strings/str_cat.h"
#include "libs/auth/sealing.h"
#include "services/twin/store/index_store.h"

namespace fleetcast::twin {

void Config::Declare(config::Settings& settings) {
  settings.Text("postgres", &postgres, {.required = true, .secret = true}, "libpq connection string of the database");
  settings.Number("postgres-connections", &postgres_connections, {.min = 1, .max = 64},
                  "Database sessions for single calls and batches of devices, and handler threads");
  settings.Number("slice-connections", &slice_connections, {.min = 1, .max = 64},
                  "Database sessions for twin writes of jobs, and their threads");
  settings.Number("scan-connections", &scan_connections, {.min = 1, .max = 64},
                  "Database sessions for queries and target streams, and their threads");
  settings.Time("scan-limit", &scan_limit, {.min = absl::Seconds(1), .max = absl::Minutes(10)},
                "Longest statement of a query or of a page of targets");
  settings.Flag("migrate", &migrate, "Bring schema `twin` up to date and exit");
  settings.Flag("migrate-on-start", &migrate_on_start, "Bring schema `twin` up to date before serving (development)");
  settings.Flag("allow-unsafe-database", &allow_unsafe_database,
                "Accept a database that does not sync its writes (tests)");
  settings.List("device-connection-addresses", &device_connection_addresses, {},
                "Every replica of device_connection, host:port; none = nobody is told of changes");
  settings.Time("outbox-retention", &outbox_retention, {.min = absl::Minutes(1), .max = absl::Hours(24)},
                "Changes that a device_connection has not fetched are dropped after this time");
  settings.Time("slice-retention", &slice_retention, {.min = absl::Hours(1), .max = absl::Hours(24 * 366)},
                "How long results of job slices are kept for repeats");
  settings.Text("query-profile", &query_profile, {.one_of = {"lenient", "strict"}},
                "strict: queries have only what IoT Hub itself executes; give rest_gateway the same");
  settings.List("query-indexes", &query_indexes, {.count_max = kQueryIndexesMax},
                "Paths that queries test often, for instance reported.firmware.version: each gets indexes of its own, "
                "built while serving; those of paths that are no longer here are dropped");
  settings.SecretFile("page-token-key-file", &page_token_key, {},
                      "File with a key of 16 bytes or more, the same for all replicas; none = a random one per start");
  settings.Rule([this]() -> std::string {
    const absl::Status status = ParseIndexPaths(query_indexes).status();
    return status.ok() ? "" : absl::StrCat("--query-indexes: ", status.message());
  });
  settings.Rule([this]() -> std::string {
    if (page_token_key.empty() || page_token_key.size() >= 16) return "";
    return "the file of --page-token-key-file must hold at least 16 bytes";
  });
  settings.SecretFile("key-encryption-key-file", &key_encryption_keys, {},
                      "File with the keys that encrypt device keys at rest: base64 of 32 bytes, one a line; the first "
                      "encrypts, all decrypt. Needed to serve");
  settings.Time("seal-delay", &seal_delay, {.max = absl::Hours(24)},
                "How long after the start device keys in clear text are encrypted; replicas of versions that did not "
                "encrypt must have ended by then");
  settings.Rule([this]() -> std::string {
    if (key_encryption_keys.empty()) {
      return migrate ? "" : "--key-encryption-key-file is needed (openssl rand -base64 32 > FILE makes one)";
    }
    const absl::Status status = auth::SealingKeys::FromText(key_encryption_keys).status();
    return status.ok() ? "" : absl::StrCat("--key-encryption-key-file: ", status.message());
  });
}

}  // namespace fleetcast::twin
