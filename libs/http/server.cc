#include "libs/http/server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/http/connection.h"
#include "libs/http/tls_files.h"

namespace fleetcast::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// How long to wait after accept failed, mostly for want of file descriptors.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

class BeastServer final : public Server {
 public:
  explicit BeastServer(ServerOptions options) : service_(std::make_shared<Service>(std::move(options))) {
    const int threads = std::max(1, service_->options.threads);
    for (int i = 0; i < threads; ++i) loops_.push_back(std::make_shared<Loop>());
    acceptor_.emplace(loops_.front()->io);
    pause_.emplace(loops_.front()->io);
  }

  ~BeastServer() override {
    service_->is_draining = true;  // Closes what is accepted from here on.
    StopAccepting();
    for (const std::shared_ptr<Loop>& loop : loops_) {
      loop->Post([loop] {
        while (!loop->connections.empty()) (*loop->connections.begin())->Abort();
      });
      loop->Stop();
    }
    guards_.clear();
    threads_.clear();  // Joins: each loop ends when its last operation has been cancelled.
  }

  absl::Status Listen() {
    const ServerOptions& options = service_->options;
    if (!options.is_plain) {
      FLEETCAST_ASSIGN_OR_RETURN(tls_, TlsFiles::Load(options.tls_certificate_file, options.tls_key_file));
    }
    error_code error;
    const asio::ip::address address = asio::ip::make_address(options.address, error);
    if (error) return absl::InvalidArgumentError(absl::StrCat("not an IP address: ", options.address));
    const tcp::endpoint endpoint(address, options.port);
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) acceptor_->listen(asio::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_->local_endpoint(error).port();
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", options.address, ":", options.port, ": ", error.message()));
    }
    return absl::OkStatus();
  }

  void Run() {
    for (const std::shared_ptr<Loop>& loop : loops_) {
      guards_.push_back(asio::make_work_guard(loop->io));
      threads_.emplace_back([loop] { loop->io.run(); });
    }
    loops_.front()->Post([this] { Accept(); });
  }

  uint16_t port() const override { return port_; }

  void Drain(absl::Duration patience) override {
    service_->is_draining = true;
    StopAccepting();
    for (const std::shared_ptr<Loop>& loop : loops_) {
      loop->Post([loop] {
        const std::vector<Connection*> open(loop->connections.begin(), loop->connections.end());
        for (Connection* connection : open) connection->Drain();
      });
    }
    service_->WaitUntilEmpty(patience);
  }

  std::optional<absl::Status> ReloadTls(bool demand) override {
    return tls_ == nullptr ? std::nullopt : tls_->Reload(demand);
  }

  absl::Time certificate_expiry() const override { return tls_ == nullptr ? absl::InfiniteFuture() : tls_->expiry(); }

  ServerCounts counts() const override {
    MutexLock lock(service_->mutex);
    return {.connections = static_cast<int64_t>(service_->connections),
            .refused_connections = service_->refused_connections,
            .failed_handshakes = service_->failed_handshakes,
            .requests_in_progress = service_->requests_in_progress,
            .tunnels = service_->tunnels,
            .opened_tunnels = service_->opened_tunnels,
            .refused_tunnels = service_->refused_tunnels};
  }

 private:
  // On the first loop's thread, as everything about the acceptor.
  void Accept() {
    const std::shared_ptr<Loop>& loop = loops_[next_loop_++ % loops_.size()];
    acceptor_->async_accept(loop->io, [this, loop](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted || !acceptor_->is_open()) return;
      if (error) return PauseAccepting();
      Take(loop, std::move(socket));
      Accept();
    });
  }

  void PauseAccepting() {
    pause_->expires_after(kAcceptPause);
    pause_->async_wait([this](error_code error) {
      if (!error && acceptor_->is_open()) Accept();
    });
  }

  void Take(const std::shared_ptr<Loop>& loop, tcp::socket socket) {
    if (!service_->TryOpen()) {
      ++service_->refused_connections;
      return;  // The socket closes itself.
    }
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    // std::function wants copies; a socket only moves.
    auto taken = std::make_shared<tcp::socket>(std::move(socket));
    loop->Post([loop, taken, tls = tls_ == nullptr ? nullptr : tls_->Current(), service = service_] {
      Serve(std::move(*taken), tls.get(), loop, service);
    });
  }

  void StopAccepting() {
    loops_.front()->Post([this] {
      error_code ignored;
      acceptor_->close(ignored);
      pause_->cancel();
    });
  }

  const std::shared_ptr<Service> service_;
  std::unique_ptr<TlsFiles> tls_;  // Null for plain text.
  std::vector<std::shared_ptr<Loop>> loops_;
  std::optional<tcp::acceptor> acceptor_;
  std::optional<asio::steady_timer> pause_;
  size_t next_loop_ = 0;
  uint16_t port_ = 0;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards_;
  std::vector<std::jthread> threads_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options) {
  auto server = std::make_unique<BeastServer>(std::move(options));
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  server->Run();
  return server;
}

}  // namespace fleetcast::http
