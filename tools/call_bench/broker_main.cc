// Raw request/reply through an MQTT broker, the baseline of `scripts/bench methods` and `edge`: N device connections
// that echo, one connection that asks each of them in turn, with a window of open requests or at a fixed rate.
// QoS 0, plain TCP on loopback, nothing stored. Devices and asker are two processes, as a fleet and a back end are.

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "libs/base/clock.h"
#include "libs/base/strings.h"
#include "tools/call_bench/open_loop.h"
#include "tools/call_bench/peer.h"

namespace fleetcast::call_bench {
namespace {

constexpr int kEventsMax = 512;
constexpr int kIdleLimitMs = 10'000;
constexpr size_t kConnectsAtOnce = 64;  // A broker that is slow to accept would otherwise lose connections for seconds.

struct Options {
  uint16_t port = 0;
  int devices = 5000;
  int requests = 50'000;
  int window = 500;
  double rate = 0;
  double seconds = 10;
  std::string payload = R"({"n":1})";
};

// Waits for events of the peers and serves them.
class Loop {
 public:
  Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
  ~Loop() { close(epoll_); }

  void Add(std::vector<Peer>& peers, size_t index) {
    peers_ = &peers;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.u64 = index;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, peers[index].fd(), &event);
  }

  // False when nothing happened for `limit_ms`.
  bool Turn(int limit_ms = kIdleLimitMs) {
    epoll_event events[kEventsMax];
    const int count = epoll_wait(epoll_, events, kEventsMax, limit_ms);
    for (int i = 0; i < count; ++i) {
      Peer& peer = (*peers_)[events[i].data.u64];
      if ((events[i].events & EPOLLIN) != 0) peer.OnReadable();
      peer.Flush();
    }
    return count != 0;
  }

 private:
  int epoll_;
  std::vector<Peer>* peers_ = nullptr;
};

// Echoes until killed. Writes one byte to `ready` when all devices listen.
int RunDevices(const Options& options, int ready) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Loop loop;
  std::vector<Peer> peers;
  peers.reserve(static_cast<size_t>(options.devices));
  size_t listening = 0;
  for (int i = 0; i < options.devices; ++i) {
    const std::string base = "bench/" + std::to_string(i);
    peers.emplace_back(options.port, "device-" + std::to_string(i), base + "/req",
                       [answer = base + "/res"](Peer& peer, std::string_view, std::string_view payload) {
                         peer.Publish(answer, payload);
                       });
    loop.Add(peers, peers.size() - 1);
    const bool is_last = i + 1 == options.devices;
    while (peers.size() - listening >= kConnectsAtOnce || (is_last && listening < peers.size())) {
      if (!loop.Turn()) return 1;
      while (listening < peers.size() && peers[listening].subscribed()) ++listening;
    }
  }
  if (write(ready, "r", 1) != 1) return 1;
  close(ready);
  while (loop.Turn()) {
  }
  return 0;
}

// Asks until `requests` answers came; prints the figures.
int RunWindow(const Options& options) {
  int answered = 0;
  int asked = 0;
  Loop loop;
  std::vector<Peer> peers;
  peers.reserve(1);
  const auto ask = [&](Peer& peer) {
    while (asked < options.requests && asked - answered < options.window) {
      peer.Publish("bench/" + std::to_string(asked % options.devices) + "/req", options.payload);
      ++asked;
    }
  };
  peers.emplace_back(options.port, "asker", "bench/+/res", [&](Peer& peer, std::string_view, std::string_view) {
    ++answered;
    ask(peer);
  });
  loop.Add(peers, 0);
  while (!peers[0].subscribed()) {
    if (!loop.Turn()) return 1;
  }
  const auto start = std::chrono::steady_clock::now();
  ask(peers[0]);
  peers[0].Flush();
  while (answered < options.requests) {
    if (!loop.Turn()) {
      std::fprintf(stderr, "fleetcast-bench-broker: %d of %d requests were never answered\n",
                   options.requests - answered, options.requests);
      return 1;
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("{\"name\":\"broker_request_reply\",\"devices\":%d,\"requests\":%d,\"seconds\":%.3f,\"rate\":%.0f}\n",
              options.devices, answered, took.count(), answered / took.count());
  return 0;
}

// Asks at a fixed rate; prints how long the answers took. The payload is the number of the request.
int RunPaced(const Options& options) {
  Clock& clock = SystemClock();
  OpenLoop calls(options.rate, options.seconds, clock.Monotonic() + absl::Milliseconds(500));
  Loop loop;
  std::vector<Peer> peers;
  peers.reserve(1);
  peers.emplace_back(options.port, "asker", "bench/+/res", [&](Peer&, std::string_view, std::string_view payload) {
    int64_t number = 0;
    if (absl::SimpleAtoi(Absl(payload), &number)) calls.End(number, clock.Monotonic());
  });
  loop.Add(peers, 0);
  while (!peers[0].subscribed()) {
    if (!loop.Turn()) return 1;
  }
  const absl::Duration limit = clock.Monotonic() + absl::Seconds(options.seconds) + absl::Milliseconds(kIdleLimitMs);
  while (calls.ended() < calls.total() && clock.Monotonic() < limit) {
    while (calls.IsDue(clock.Monotonic())) {
      const int64_t number = calls.Begin();
      peers[0].Publish("bench/" + std::to_string(number % options.devices) + "/req", std::to_string(number));
    }
    peers[0].Flush();
    const absl::Duration wait = absl::Ceil(calls.NextDue() - clock.Monotonic(), absl::Milliseconds(1));
    loop.Turn(static_cast<int>(std::clamp<int64_t>(absl::ToInt64Milliseconds(wait), 0, kIdleLimitMs)));
  }
  std::printf("%s\n", calls.Summary("broker_calls").c_str());
  return calls.ended() == calls.total() ? 0 : 1;
}

int RunAsker(const Options& options) { return options.rate > 0 ? RunPaced(options) : RunWindow(options); }

int Run(const Options& options) {
  int ready[2];
  if (pipe(ready) != 0) return 1;
  const pid_t devices = fork();
  if (devices == 0) {
    close(ready[0]);
    _exit(RunDevices(options, ready[1]));
  }
  close(ready[1]);
  char byte = 0;
  const bool all_listen = read(ready[0], &byte, 1) == 1;
  const int result = all_listen ? RunAsker(options) : 1;
  kill(devices, SIGKILL);
  waitpid(devices, nullptr, 0);
  return result;
}

}  // namespace
}  // namespace fleetcast::call_bench

int main(int argc, char** argv) {
  fleetcast::call_bench::Options options;
  CLI::App app("Request/reply through an MQTT broker on 127.0.0.1: the baseline of scripts/bench methods and edge");
  app.add_option("--port", options.port, "Port of the broker")->required();
  app.add_option("--devices", options.devices, "Connections that answer")->check(CLI::Range(1, 15'000));
  app.add_option("--requests", options.requests, "Requests in all")->check(CLI::Range(1, 100'000'000));
  app.add_option("--window", options.window, "Requests open at once")->check(CLI::Range(1, 100'000));
  app.add_option("--rate", options.rate, "Instead of a window: requests a second")->check(CLI::Range(0.1, 1e6));
  app.add_option("--seconds", options.seconds, "With --rate: how long")->check(CLI::Range(0.1, 3600.0));
  CLI11_PARSE(app, argc, argv);
  return fleetcast::call_bench::Run(options);
}
