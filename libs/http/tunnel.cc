#include "libs/http/tunnel.h"

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "libs/base/random.h"

namespace fleetcast::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kBufferBytes = size_t{8} * 1024;         // Each way; no more is ever held.
constexpr absl::Duration kLingerTime = absl::Seconds(3);  // From the end of one side to the end of the other.

class SocketStream final : public ByteStream {
 public:
  explicit SocketStream(tcp::socket socket) : socket_(std::move(socket)) {}

  void Read(asio::mutable_buffer buffer, Done done) override { socket_.async_read_some(buffer, std::move(done)); }
  void Write(asio::const_buffer buffer, Done done) override { asio::async_write(socket_, buffer, std::move(done)); }
  void FinishSending(std::shared_ptr<void> /*owner*/) override {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void Close() override {
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  tcp::socket socket_;
};

class Tunnel final : public Connection, public std::enable_shared_from_this<Tunnel> {
 public:
  Tunnel(std::unique_ptr<ByteStream> client, std::unique_ptr<Upstream> upstream, std::shared_ptr<Loop> loop,
         std::shared_ptr<Service> service)
      : loop_(std::move(loop)),
        service_(std::move(service)),
        first_(std::move(upstream->first)),
        client_(std::move(client)),
        upstream_(std::make_unique<SocketStream>(std::move(upstream->socket))),
        inward_{client_.get(), upstream_.get()},
        outward_{upstream_.get(), client_.get()},
        stall_(loop_->io),
        end_(loop_->io) {}

  void Start() {
    loop_->connections.insert(this);
    ++service_->tunnels;
    ++service_->opened_tunnels;
    if (service_->is_draining) return Abort();
    Send(outward_, asio::buffer(first_));
    Pump(inward_);
  }

  void Drain() override {
    // Spread: whoever is closed comes back at once, to another process.
    const absl::Duration limit = service_->options.tunnel.close_over;
    const auto nanoseconds = static_cast<uint64_t>(absl::ToInt64Nanoseconds(limit));
    end_.expires_after(
        absl::ToChronoNanoseconds(absl::Nanoseconds(static_cast<int64_t>(SystemRandom().Below(nanoseconds)))));
    end_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->Part();
    });
  }

  void Abort() override {
    if (is_closed_) return;
    is_closed_ = true;
    loop_->connections.erase(this);
    --service_->tunnels;
    service_->Close();
    stall_.cancel();
    end_.cancel();
    client_->Close();
    upstream_->Close();
  }

 private:
  // One direction.
  struct Pipe {
    ByteStream* from;
    ByteStream* to;
    bool is_ended = false;
    bool is_writing = false;
    std::array<char, kBufferBytes> buffer = {};
  };

  void Pump(Pipe& pipe) {
    pipe.from->Read(asio::buffer(pipe.buffer), [self = shared_from_this(), &pipe](error_code error, size_t bytes) {
      if (self->is_closed_) return;
      if (error) return self->End(pipe);
      self->Send(pipe, asio::buffer(pipe.buffer.data(), bytes));
    });
  }

  void Send(Pipe& pipe, asio::const_buffer bytes) {
    // Whoever is behind us has limits of its own, but cannot see a client through our buffers.
    if (&pipe == &outward_) WatchForStall();
    pipe.is_writing = true;
    pipe.to->Write(bytes, [self = shared_from_this(), &pipe](error_code error, size_t) {
      if (self->is_closed_) return;
      pipe.is_writing = false;
      if (&pipe == &self->outward_) self->stall_.cancel();
      if (error) return self->Abort();
      self->Pump(pipe);
    });
  }

  void WatchForStall() {
    stall_.expires_after(absl::ToChronoNanoseconds(service_->options.tunnel.stall_timeout));
    stall_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->Abort();
    });
  }

  // Nothing more comes from pipe.from, and all that came is written.
  void End(Pipe& pipe) {
    pipe.is_ended = true;
    if (inward_.is_ended && outward_.is_ended) return Abort();
    pipe.to->FinishSending(shared_from_this());
    CloseAfter(kLingerTime);
  }

  // Lets whoever is behind us end it: they know how to say goodbye in the language that is spoken here.
  void Part() {
    if (inward_.is_ended || inward_.is_writing) return Abort();
    upstream_->FinishSending(shared_from_this());
    CloseAfter(kLingerTime);
  }

  void CloseAfter(absl::Duration time) {
    end_.expires_after(absl::ToChronoNanoseconds(time));
    end_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->Abort();
    });
  }

  const std::shared_ptr<Loop> loop_;  // First: the rest lives on its io_context.
  const std::shared_ptr<Service> service_;
  const std::string first_;
  const std::unique_ptr<ByteStream> client_;
  const std::unique_ptr<ByteStream> upstream_;
  Pipe inward_;
  Pipe outward_;
  asio::steady_timer stall_;  // The client takes nothing.
  asio::steady_timer end_;
  bool is_closed_ = false;
};

}  // namespace

void StartTunnel(std::unique_ptr<ByteStream> client, std::unique_ptr<Upstream> upstream, std::shared_ptr<Loop> loop,
                 std::shared_ptr<Service> service) {
  std::make_shared<Tunnel>(std::move(client), std::move(upstream), std::move(loop), std::move(service))->Start();
}

}  // namespace fleetcast::http
