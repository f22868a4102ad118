#include "libs/http/server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/http/test_support.h"

namespace fleetcast::http {
namespace {

using Mode = TestClient::Mode;

constexpr size_t kBodyBytesMax = 1000;

// Collects the answers that handlers owe, so that a test can give them when it likes.
class Pending {
 public:
  void Add(Respond respond) {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(respond));
    changed_.notify_all();
  }

  Respond Take() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [this] { return !waiting_.empty(); }));
    Respond respond = std::move(waiting_.front());
    waiting_.pop_front();
    return respond;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Respond> waiting_;
};

class ServerTest : public ::testing::Test {
 protected:
  // With TLS. `files`: whose certificate_file() and key_file() these are.
  template <typename Files>
  ServerOptions TlsOptions(const Files& files) {
    ServerOptions options = Options();
    options.is_plain = false;
    options.tls_certificate_file = files.certificate_file();
    options.tls_key_file = files.key_file();
    return options;
  }
  ServerOptions Options() {
    ServerOptions options;
    options.is_plain = true;
    const auto echo = [](std::shared_ptr<const Request> request, Respond respond) {
      respond({.status = 200,
               .headers = {{"X-Captured", request->captures.empty() ? "" : request->captures[0]}},
               .body = request->body});
    };
    options.router.Add({.method = "GET", .pattern = "echo/*", .handler = echo});
    options.router.Add({.method = "POST", .pattern = "echo/*", .body_bytes_max = kBodyBytesMax, .handler = echo});
    options.router.Add({.method = "GET", .pattern = "later", .handler = [this](auto, Respond respond) {
                          pending_.Add(std::move(respond));
                        }});
    options.router.Add({.method = "GET", .pattern = "last", .handler = [](auto, Respond respond) {
                          respond({.status = 400, .headers = {}, .body = "bye", .close = true});
                        }});
    options.render_error = [](int status, std::string_view text, const Request*) {
      return Response{.status = status, .headers = {}, .body = std::string(text)};
    };
    return options;
  }

  void Start(ServerOptions options) {
    absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(std::move(options));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  TestClient Connect(Mode mode = Mode::kPlain) { return TestClient(server_->port(), mode); }

  // The answer to exactly these bytes on a new connection; 0 when there is none.
  int Status(std::string_view bytes) {
    TestClient client = Connect();
    client.Send(bytes);
    const std::optional<TestResponse> response = client.Read();
    return response ? response->status : 0;
  }

  Pending pending_;  // Outlives the server.
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  Start(Options());
  TestClient client = Connect();
  for (const char* id : {"a%2Fb", "c"}) {
    const std::optional<TestResponse> response = client.Ask("POST", absl::StrCat("/ECHO/", id, "/"), "", "hello");
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "hello");
    EXPECT_EQ(response->Header("x-captured"), std::string_view(id) == "c" ? "c" : "a/b");
    EXPECT_NE(response->Header("date"), "");
  }
}

TEST_F(ServerTest, ServesTls) {
  const TestCertificate certificate;
  Start(TlsOptions(certificate));
  TestClient client = Connect(Mode::kTls);
  ASSERT_TRUE(client.is_connected());
  EXPECT_EQ(client.Ask("POST", "/echo/1", "", std::string(kBodyBytesMax, 'x'))->body.size(), kBodyBytesMax);
  EXPECT_EQ(client.Ask("GET", "/last")->status, 400);
  EXPECT_TRUE(client.WaitForClose());
}

// The files of a certificate that is replaced, as by whoever renews it.
class RenewedCertificate {
 public:
  RenewedCertificate() { Take(TestCertificate()); }
  ~RenewedCertificate() { std::filesystem::remove_all(directory_); }

  // Puts the pair in place, file by file; returns the certificate.
  std::string Take(const TestCertificate& next) {
    std::filesystem::create_directories(directory_);
    Replace(next.key_file(), key_file());
    Replace(next.certificate_file(), certificate_file());
    std::ifstream file(certificate_file());
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Spoil() { std::ofstream(certificate_file()) << "no certificate"; }

  std::string certificate_file() const { return directory_ + "/tls.crt"; }
  std::string key_file() const { return directory_ + "/tls.key"; }

 private:
  static void Replace(const std::string& from, const std::string& to) {
    std::filesystem::copy_file(from, to + ".new");
    std::filesystem::rename(to + ".new", to);
  }

  const std::string directory_ = ::testing::TempDir() + "/renewed." + std::to_string(getpid());
};

TEST_F(ServerTest, TakesARenewedCertificateForNewConnections) {
  RenewedCertificate files;
  Start(TlsOptions(files));
  TestClient early = Connect(Mode::kTls);
  EXPECT_EQ(server_->ReloadTls(/*demand=*/false), std::nullopt);
  const TestCertificate next;
  const std::string renewed = files.Take(next);
  EXPECT_NE(early.ServerCertificate(), renewed);
  EXPECT_EQ(server_->ReloadTls(/*demand=*/false), absl::OkStatus());
  EXPECT_EQ(Connect(Mode::kTls).ServerCertificate(), renewed);
  EXPECT_EQ(early.Ask("GET", "/echo/1")->status, 200);

  files.Spoil();
  const std::optional<absl::Status> spoilt = server_->ReloadTls(/*demand=*/false);
  ASSERT_TRUE(spoilt.has_value());
  EXPECT_TRUE(absl::IsInvalidArgument(*spoilt)) << *spoilt;
  EXPECT_EQ(server_->ReloadTls(/*demand=*/false), std::nullopt) << "it has been tried";
  EXPECT_TRUE(absl::IsInvalidArgument(server_->ReloadTls(/*demand=*/true).value()));
  EXPECT_EQ(Connect(Mode::kTls).ServerCertificate(), renewed) << "the last good one stays";
  EXPECT_GT(server_->certificate_expiry(), absl::Now());
}

TEST_F(ServerTest, PlainTextHasNothingToReload) {
  Start(Options());
  EXPECT_EQ(server_->ReloadTls(/*demand=*/true), std::nullopt);
  EXPECT_EQ(server_->certificate_expiry(), absl::InfiniteFuture());
}

TEST_F(ServerTest, PlainTextOnTheTlsPortIsClosed) {
  const TestCertificate certificate;
  Start(TlsOptions(certificate));
  TestClient client = Connect(Mode::kPlain);
  client.Send("GET /echo/1 HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_FALSE(client.Read().has_value());
  EXPECT_EQ(server_->counts().failed_handshakes, 1);
}

TEST_F(ServerTest, RefusesToStartWithABadCertificateAddressOrPort) {
  ServerOptions options = Options();
  options.is_plain = false;
  options.tls_certificate_file = "/nonexistent";
  EXPECT_EQ(Server::Start(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.is_plain = true;
  options.address = "localhost";
  EXPECT_EQ(Server::Start(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ServerTest, AnswersProtocolErrors) {
  Start(Options());
  EXPECT_EQ(Status("GET /echo/%zz HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(Status("nonsense\r\n\r\n"), 400);
  EXPECT_EQ(Status("GET /unknown HTTP/1.1\r\n\r\n"), 404);
  EXPECT_EQ(Status("TRACE /echo/1 HTTP/1.1\r\n\r\n"), 405);
  EXPECT_EQ(Status("CONNECT h:443 HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(Status("POST /echo/1 HTTP/1.1\r\nContent-Length: 1\r\nExpect: 200-ok\r\n\r\nx"), 417);
  EXPECT_EQ(Status("GET /echo/1 HTTP/1.0\r\n\r\n"), 200);
}

TEST_F(ServerTest, RefusesContradictingLengths) {
  Start(Options());
  EXPECT_EQ(Status("POST /echo/1 HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(Status("POST /echo/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(Status("POST /echo/1 HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), 400);
  EXPECT_EQ(Status("POST /echo/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"), 400);
}

TEST_F(ServerTest, RefusesLargeHeaders) {
  Start(Options());
  EXPECT_EQ(Status(absl::StrCat("GET /echo/1 HTTP/1.1\r\nX: ", std::string(15'000, 'x'), "\r\n\r\n")), 200);
  EXPECT_EQ(Status(absl::StrCat("GET /echo/1 HTTP/1.1\r\nX: ", std::string(64 * 1024, 'x'), "\r\n\r\n")), 431);
}

TEST_F(ServerTest, StopsReadingABodyBeyondTheLimitOfItsRoute) {
  Start(Options());
  const std::string large(10'000'000, 'x');
  EXPECT_EQ(Status(absl::StrCat("POST /echo/1 HTTP/1.1\r\nContent-Length: ", large.size(), "\r\n\r\n", large)), 413);
  EXPECT_EQ(Status(absl::StrCat("POST /echo/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
                                std::string(1001, 'x'), "\r\n0\r\n\r\n")),
            413);
  EXPECT_EQ(Status("GET /echo/1 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"), 413);
}

TEST_F(ServerTest, AcceptsChunkedBodies) {
  Start(Options());
  TestClient client = Connect();
  client.Send("POST /echo/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ(client.Read()->body, "hello");
}

TEST_F(ServerTest, SaysContinueBeforeTheBody) {
  Start(Options());
  TestClient client = Connect();
  client.Send("POST /echo/1 HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.Read()->status, 100);
  client.Send("hello");
  EXPECT_EQ(client.Read()->body, "hello");
}

TEST_F(ServerTest, RefusesBeforeTheBodyIsSent) {
  ServerOptions options = Options();
  options.admit = [](const Request&, const Route& route) -> std::optional<Response> {
    if (route.method == "POST") return Response{.status = 401};
    return std::nullopt;
  };
  Start(std::move(options));
  TestClient client = Connect();
  client.Send("POST /echo/1 HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.Read()->status, 401);
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(ServerTest, ServesPipelinedRequestsInOrder) {
  Start(Options());
  TestClient client = Connect();
  client.Send("GET /later HTTP/1.1\r\n\r\nGET /echo/2 HTTP/1.1\r\n\r\nGET /last HTTP/1.1\r\n\r\n");
  pending_.Take()({.status = 200, .headers = {}, .body = "first"});
  EXPECT_EQ(client.Read()->body, "first");
  EXPECT_EQ(client.Read()->Header("x-captured"), "2");
  EXPECT_EQ(client.Read()->Header("connection"), "close");
  EXPECT_TRUE(client.WaitForClose());
}

TEST_F(ServerTest, WaitingRequestsNeedNoThreads) {
  ServerOptions options = Options();
  options.threads = 1;
  Start(std::move(options));
  constexpr int kWaiting = 100;
  std::deque<TestClient> clients;
  for (int i = 0; i < kWaiting; ++i) {
    clients.emplace_back(server_->port(), Mode::kPlain).Send("GET /later HTTP/1.1\r\n\r\n");
  }
  std::vector<Respond> owed;
  for (int i = 0; i < kWaiting; ++i) owed.push_back(pending_.Take());
  EXPECT_EQ(Connect().Ask("GET", "/echo/1")->status, 200);
  for (Respond& respond : owed) respond({.status = 204});
  for (TestClient& client : clients) EXPECT_EQ(client.Read()->status, 204);
}

TEST_F(ServerTest, ClosesSilentAndSlowClients) {
  ServerOptions options = Options();
  options.limits.idle_timeout = absl::Milliseconds(50);
  options.limits.header_timeout = absl::Milliseconds(50);
  options.limits.body_timeout = absl::Milliseconds(50);
  Start(std::move(options));
  for (const char* sent : {"", "GET /ec", "POST /echo/1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe"}) {
    TestClient client = Connect();
    client.Send(sent);
    EXPECT_TRUE(client.WaitForClose()) << sent;
  }
}

TEST_F(ServerTest, ClosesConnectionsBeyondTheLimit) {
  ServerOptions options = Options();
  options.limits.connections_max = 1;
  Start(std::move(options));
  TestClient first = Connect();
  EXPECT_EQ(first.Ask("GET", "/echo/1")->status, 200);
  EXPECT_TRUE(Connect().WaitForClose());
  EXPECT_EQ(server_->counts().refused_connections, 1);
  EXPECT_EQ(first.Ask("GET", "/echo/1")->status, 200);
}

TEST_F(ServerTest, DrainsIdleConnectionsAtOnceAndOthersAfterTheirAnswer) {
  Start(Options());
  TestClient idle = Connect();
  EXPECT_EQ(idle.Ask("GET", "/echo/1")->status, 200);
  TestClient busy = Connect();
  busy.Send("GET /later HTTP/1.1\r\n\r\n");
  Respond respond = pending_.Take();
  std::future<void> drained = std::async(std::launch::async, [this] { server_->Drain(absl::Seconds(20)); });
  EXPECT_TRUE(idle.WaitForClose());
  respond({.status = 200, .headers = {}, .body = "done"});
  const std::optional<TestResponse> last = busy.Read();
  EXPECT_EQ(last->body, "done");
  EXPECT_EQ(last->Header("connection"), "close");
  drained.get();
  EXPECT_EQ(server_->counts().connections, 0);
  EXPECT_FALSE(Connect().is_connected());
}

TEST_F(ServerTest, AnAnswerAfterTheEndIsDropped) {
  Start(Options());
  TestClient client = Connect();
  client.Send("GET /later HTTP/1.1\r\n\r\n");
  Respond respond = pending_.Take();
  server_.reset();
  respond({.status = 200});
  EXPECT_TRUE(client.WaitForClose());
}

}  // namespace
}  // namespace fleetcast::http
