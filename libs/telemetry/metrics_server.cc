#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <exception>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/strings.h"
#include "libs/telemetry/metrics.h"
#include "prometheus/collectable.h"
#include "prometheus/exposer.h"

namespace fleetcast::telemetry {
namespace {

constexpr size_t kThreads = 2;

// Connects to `port` of this machine and hangs up.
void Knock(int port) {
  const int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_fd < 0) return;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  (void)connect(socket_fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  close(socket_fd);
}

}  // namespace

struct MetricsServer::State {
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables;  // The exposer's own pointers are weak.
  std::unique_ptr<prometheus::Exposer> exposer;
  int port = 0;
};

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(std::string_view listen, const Metrics& metrics) {
  auto state = std::make_unique<State>();
  state->collectables = metrics.Collectables();
  try {
    state->exposer = std::make_unique<prometheus::Exposer>(std::string(listen), kThreads);
    for (const auto& collectable : state->collectables) state->exposer->RegisterCollectable(collectable);
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", Absl(listen), ": ", error.what()));
  }
  const std::vector<int> ports = state->exposer->GetListeningPorts();
  state->port = ports.empty() ? 0 : ports.front();
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(state)));
}

MetricsServer::MetricsServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

// The web server inside looks only every two seconds whether it should stop, unless a connection wakes it.
MetricsServer::~MetricsServer() {
  std::atomic<bool> stopped = false;
  std::jthread stopper([&] {
    state_->exposer.reset();
    stopped = true;
  });
  while (!stopped) {
    Knock(state_->port);
    SystemClock().Sleep(absl::Milliseconds(5), {});
  }
}

int MetricsServer::port() const { return state_->port; }

}  // namespace fleetcast::telemetry
