// Connections that the server passes on, with real sockets on both sides.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/http/server.h"
#include "libs/http/test_support.h"

namespace fleetcast::http {
namespace {

using Mode = TestClient::Mode;

constexpr std::string_view kRequest = "GET /tunnel HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\n\r\n";
constexpr std::string_view kAnswer = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
const timeval kPatience = {.tv_sec = 20, .tv_usec = 0};

// One accepted connection of an upstream. Blocking.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) { setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience)); }
  Peer(Peer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Peer() { Close(); }

  // Exactly `size` bytes, or what came before the end.
  std::string Read(size_t size) {
    std::string bytes(size, '\0');
    size_t have = 0;
    while (have < size) {
      const ssize_t got = recv(fd_, bytes.data() + have, size - have, 0);
      if (got <= 0) break;
      have += static_cast<size_t>(got);
    }
    return bytes.substr(0, have);
  }
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  bool IsEnded() { return Read(1).empty(); }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

// Somebody behind the server.
class TestUpstream {
 public:
  TestUpstream() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd_, 16), 0);
    socklen_t size = sizeof(address);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  ~TestUpstream() { close(fd_); }

  const std::string& address() const { return address_; }
  Peer Accept() { return Peer(accept(fd_, nullptr, nullptr)); }

 private:
  int fd_;
  std::string address_;
};

class TunnelTest : public ::testing::TestWithParam<Mode> {
 protected:
  void Start(std::vector<std::string> addresses, const std::function<void(ServerOptions&)>& change = {}) {
    ServerOptions options;
    options.is_plain = GetParam() == Mode::kPlain;
    options.tls_certificate_file = certificate_.certificate_file();
    options.tls_key_file = certificate_.key_file();
    options.tunnel.accepts = [](const Request& request) {
      return request.segments == std::vector<std::string>{"tunnel"};
    };
    options.tunnel.addresses = std::move(addresses);
    options.tunnel.close_over = absl::Milliseconds(50);
    if (change) change(options);
    absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(std::move(options));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  TestClient Connect() { return TestClient(server_->port(), GetParam()); }

  // Opens a tunnel; the upstream's end of it.
  Peer Open(TestClient& client) {
    EXPECT_TRUE(client.Send(kRequest));
    Peer peer = upstream_.Accept();
    EXPECT_EQ(peer.Read(kRequest.size()), kRequest);
    EXPECT_TRUE(peer.Send(kAnswer));
    EXPECT_EQ(client.Read()->status, 101);
    return peer;
  }

  void ExpectNoTunnels() {
    const absl::Time limit = absl::Now() + absl::Seconds(20);
    while (server_->counts().connections > 0 && absl::Now() < limit) std::this_thread::yield();
    EXPECT_EQ(server_->counts().tunnels, 0);
    EXPECT_EQ(server_->counts().connections, 0);
  }

  TestCertificate certificate_;
  TestUpstream upstream_;
  std::unique_ptr<Server> server_;
};

INSTANTIATE_TEST_SUITE_P(Modes, TunnelTest, ::testing::Values(Mode::kPlain, Mode::kTls),
                         [](const auto& info) { return info.param == Mode::kTls ? "Tls" : "Plain"; });

TEST_P(TunnelTest, PassesTheRequestAndThenBytesBothWays) {
  Start({upstream_.address()});
  TestClient client = Connect();
  Peer peer = Open(client);
  EXPECT_EQ(server_->counts().tunnels, 1);
  std::string large(300'000, 'x');
  for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 7);
  std::thread sender([&] { EXPECT_TRUE(client.Send(large)); });
  EXPECT_TRUE(peer.Read(large.size()) == large);
  sender.join();
  const std::string response = absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", large.size(), "\r\n\r\n", large);
  std::thread answerer([&] { EXPECT_TRUE(peer.Send(response)); });
  EXPECT_TRUE(client.Read()->body == large);
  answerer.join();
}

TEST_P(TunnelTest, PassesWhatTheClientSentAhead) {
  Start({upstream_.address()});
  TestClient client = Connect();
  client.Send(absl::StrCat(std::string(kRequest), "ahead"));
  Peer peer = upstream_.Accept();
  EXPECT_EQ(peer.Read(kRequest.size() + 5), absl::StrCat(std::string(kRequest), "ahead"));
}

TEST_P(TunnelTest, TheEndOfTheClientIsTheEndOfTheUpstream) {
  Start({upstream_.address()});
  auto client = std::make_unique<TestClient>(server_->port(), GetParam());
  Peer peer = Open(*client);
  client->Send("last words");
  EXPECT_EQ(peer.Read(10), "last words");
  client.reset();
  EXPECT_TRUE(peer.IsEnded());
  peer.Close();
  ExpectNoTunnels();
}

TEST_P(TunnelTest, TheEndOfTheUpstreamIsTheEndOfTheClient) {
  Start({upstream_.address()});
  {
    TestClient client = Connect();
    Peer peer = Open(client);
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    peer.Close();
    EXPECT_EQ(client.Read()->status, 200);
    EXPECT_TRUE(client.WaitForClose());
  }
  ExpectNoTunnels();
}

TEST_P(TunnelTest, TriesTheNextWhenOneIsNotThereOrSaysNothing) {
  std::string gone;
  {
    const TestUpstream closed;
    gone = closed.address();
  }
  TestUpstream silent;
  Start({gone, silent.address(), upstream_.address()},
        [](ServerOptions& options) { options.tunnel.answer_timeout = absl::Milliseconds(200); });
  for (int i = 0; i < 3; ++i) {  // Whoever is asked first.
    int status = 0;
    // A machine that lets this thread wait too long for its answer gets 503, and asks again.
    for (int tries = 0; tries < 20 && status != 101; ++tries) {
      TestClient client = Connect();
      client.Send(kRequest);
      Peer peer = upstream_.Accept();
      peer.Read(kRequest.size());
      peer.Send(kAnswer);
      const std::optional<TestResponse> response = client.Read();
      status = response ? response->status : 0;
    }
    EXPECT_EQ(status, 101);
  }
  EXPECT_EQ(server_->counts().opened_tunnels, 3);
}

TEST_P(TunnelTest, NobodyThereIs503) {
  std::string gone;
  {
    const TestUpstream closed;
    gone = closed.address();
  }
  Start({gone, gone});
  TestClient client = Connect();
  client.Send(kRequest);
  EXPECT_EQ(client.Read()->status, 503);
  EXPECT_EQ(server_->counts().refused_tunnels, 1);
  EXPECT_EQ(server_->counts().tunnels, 0);
}

TEST_P(TunnelTest, ARequestWithABodyIs400) {
  Start({upstream_.address()});
  TestClient client = Connect();
  client.Send("POST /tunnel HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(client.Read()->status, 400);
}

TEST_P(TunnelTest, OtherRequestsAreServedAsBefore) {
  Start({upstream_.address()});
  TestClient client = Connect();
  EXPECT_EQ(client.Ask("GET", "/elsewhere", "Upgrade: x\r\n")->status, 404);
}

TEST_P(TunnelTest, TellsTheClientsAddressIfAsked) {
  Start({upstream_.address()}, [](ServerOptions& options) { options.tunnel.sends_proxy_header = true; });
  TestClient client = Connect();
  client.Send(kRequest);
  Peer peer = upstream_.Accept();
  const std::string header = peer.Read(28);
  EXPECT_EQ(header.substr(0, 16), std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16));
  EXPECT_EQ(header.substr(16, 8), std::string("\x7f\0\0\x01\x7f\0\0\x01", 8));
  EXPECT_EQ(peer.Read(kRequest.size()), kRequest);
}

TEST_P(TunnelTest, DrainClosesTunnels) {
  Start({upstream_.address()});
  auto client = std::make_unique<TestClient>(server_->port(), GetParam());
  Peer peer = Open(*client);
  std::thread drain([&] { server_->Drain(absl::Seconds(20)); });
  EXPECT_TRUE(peer.IsEnded());
  peer.Send("HTTP/1.1 200 bye\r\nContent-Length: 0\r\n\r\n");
  peer.Close();
  EXPECT_EQ(client->Read()->status, 200);
  EXPECT_TRUE(client->WaitForClose());
  client.reset();
  drain.join();
  EXPECT_EQ(server_->counts().connections, 0);
}

TEST_P(TunnelTest, AClientThatTakesNothingIsClosed) {
  Start({upstream_.address()}, [](ServerOptions& options) { options.tunnel.stall_timeout = absl::Milliseconds(200); });
  TestClient client = Connect();
  Peer peer = Open(client);
  const std::string block(1 << 20, 'x');
  bool is_open = true;
  for (int i = 0; i < 64 && is_open; ++i) is_open = peer.Send(block);
  EXPECT_FALSE(is_open);
  ExpectNoTunnels();
}

TEST_P(TunnelTest, TheServersEndDoesNotWaitForADial) {
  TestUpstream silent;
  Start({silent.address()});
  TestClient client = Connect();
  client.Send(kRequest);
  Peer peer = silent.Accept();
  peer.Read(kRequest.size());
  server_.reset();
  EXPECT_TRUE(peer.IsEnded());
}

}  // namespace
}  // namespace fleetcast::http
