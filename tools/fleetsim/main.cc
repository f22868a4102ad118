// A simulated fleet: many devices from one process.
#include <csignal>
#include <cstdio>

#include <sys/resource.h>

#include "libs/base/status_macros.h"
#include "tools/fleetsim/fleet.h"

namespace fleetcast::fleetsim {
namespace {

constexpr int kExitFailed = 1;

// Each device is an open file.
void RaiseFileLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// The loop reads these signals itself; threads of gRPC must not.
void BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

absl::Status Run(const Options& options) {
  FLEETCAST_ASSIGN_OR_RETURN(std::vector<Identity> identities, MakeIdentities(options));
  FLEETCAST_ASSIGN_OR_RETURN(CallLog calls, CallLog::Open(options.log_calls));
  FLEETCAST_ASSIGN_OR_RETURN(PacketLog packets, PacketLog::Open(options.log_packets));
  Fleet::Surroundings surroundings{{}, std::move(calls), std::move(packets)};
  for (const int port : options.Ports()) {
    FLEETCAST_ASSIGN_OR_RETURN(surroundings.targets.emplace_back(),
                               Target::Create(options.host, port, !options.plain, options.ca_file));
  }
  if (options.registers) {
    const absl::Duration started = SystemClock().Monotonic();
    FLEETCAST_RETURN_IF_ERROR(Register(options, identities, [&](size_t done) {
      std::printf("{\"event\":\"registered\",\"registered\":%zu,\"devices\":%zu}\n", done, identities.size());
      std::fflush(stdout);
    }));
    std::fprintf(stderr, "registered %zu devices in %.1f s\n", identities.size(),
                 absl::ToDoubleSeconds(SystemClock().Monotonic() - started));
  }
  Fleet fleet(options, std::move(identities), surroundings, SystemClock(), SystemRandom());
  return fleet.Run();
}

int Main(int argc, char** argv) {
  Options options;
  config::Settings settings("fleetsim",
                            "A simulated fleet: many devices from one process, in the words of IoT Hub's MQTT.");
  options.Declare(settings);
  const config::ParseResult parsed = settings.Parse({argv + 1, argv + argc}, config::ProcessEnvironment());
  std::fputs(parsed.out.c_str(), stdout);
  std::fputs(parsed.err.c_str(), stderr);
  if (!parsed.run) return parsed.exit_code;
  RaiseFileLimit();
  BlockSignals();
  const absl::Status status = Run(options);
  if (status.ok()) return 0;
  std::fprintf(stderr, "fleetsim: %s\n", std::string(status.message()).c_str());
  return absl::IsInvalidArgument(status) ? config::kExitBadConfig : kExitFailed;
}

}  // namespace
}  // namespace fleetcast::fleetsim

int main(int argc, char** argv) { return fleetcast::fleetsim::Main(argc, argv); }
