#include "services/device_connection/config.h"

#include "libs/auth/policies.h"
#include "libs/rpc/channel.h"

namespace fleetcast::device_connection {

void Config::Declare(config::Settings& settings) {
  settings.Text("redis", &redis, {.required = true}, "Redis, host:port or unix:/path");
  settings.SecretFile("redis-password-file", &redis_password, {}, "File with the password of Redis");
  settings.Number("redis-connections", &redis_connections, {.min = 1, .max = 64}, "Connections to Redis");
  settings.List("twin-addresses", &twin_addresses, {.required = true},
                "twin, host:port: one name for all replicas, or addresses");
  settings.SecretFile("policy-file", &policies, {.required = true}, "Shared access policies, JSON");
  settings.List("host-names", &host_names, {.required = true}, "Names that devices use for this hub");
  settings.Text("certificate-dates", &certificate_dates, {.one_of = {"check", "ignore"}},
                "Whether a client certificate that is not valid yet, or any more, is refused");
  settings.Time("edge-lease", &edge_lease, {.min = absl::Seconds(5), .max = absl::Minutes(5)},
                "An edge that is not heard for so long is taken for dead");
  settings.Time("record-cache-ttl", &record_cache_ttl, {.max = absl::Hours(1)},
                "How long a device's record is used without asking twin again");
  settings.Number("record-cache-max", &record_cache_max, {.min = 1, .max = 100'000'000},
                  "Device records kept in memory");
  settings.Number("connects-per-minute", &connects_per_minute, {.min = 0, .max = 10'000},
                  "How often a minute an identity may connect, on average; more often it has to wait, 17 s at most; "
                  "0 = no limit");
  settings.Number("connects-burst", &connects_burst, {.min = 1, .max = 10'000}, "How often it may at once");
  settings.Number("refusals-per-minute", &refusals_per_minute, {.min = 0, .max = 10'000},
                  "How often a minute an identity is refused at once; from then on the answer comes 5 to 20 s later; "
                  "0 = always at once");
  settings.Flag("keep-sessions-on-key-change", &keep_sessions_on_key_change,
                "A session stays when the key or thumbprint that opened it is changed, until its token ends");
  settings.Number("calls-max", &calls_max, {.min = 1, .max = 100'000'000},
                  "Method calls on their way through this process; more are refused");
  settings.SecretFile("page-token-key-file", &page_token_key, {},
                      "File with a key of 16 bytes or more, the same for all replicas; none = a random one per start");
  settings.Rule([this]() -> std::string {
    if (page_token_key.empty() || page_token_key.size() >= 16) return "";
    return "the file of --page-token-key-file must hold at least 16 bytes";
  });
  settings.Rule([this]() -> std::string {
    if (policies.empty()) return "";
    const absl::Status status = auth::PolicySet::FromJson(policies).status();
    return status.ok() ? "" : "--policy-file: " + std::string(status.message());
  });
  settings.Rule([this]() -> std::string {
    for (const std::string& address : twin_addresses) {
      const absl::Status status = rpc::ValidateAddress(address);
      if (!status.ok()) return "--twin-addresses: " + std::string(status.message());
    }
    return "";
  });
}

}  // namespace fleetcast::device_connection
