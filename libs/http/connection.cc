#include "libs/http/connection.h"

#include <array>
#include <boost/asio/post.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "libs/http/proxy_header.h"
#include "libs/http/tunnel.h"

namespace fleetcast::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using beast::error_code;

constexpr char kServerName[] = "fleetcast";
// How much input that nobody wants is read and dropped before closing, and for how long. Without this the client's
// kernel would throw our answer away together with the reset connection.
constexpr size_t kLingerBytesMax = size_t{16} * 1024 * 1024;
constexpr auto kLingerTime = std::chrono::seconds(3);

std::string_view Text(beast::string_view text) { return {text.data(), text.size()}; }

// The client's end of a tunnel.
template <typename Stream>
class ClientStream final : public ByteStream {
 public:
  explicit ClientStream(Stream stream) : stream_(std::move(stream)) {}

  void Read(asio::mutable_buffer buffer, Done done) override { stream_.async_read_some(buffer, std::move(done)); }
  void Write(asio::const_buffer buffer, Done done) override { asio::async_write(stream_, buffer, std::move(done)); }
  void FinishSending(std::shared_ptr<void> owner) override {
    if constexpr (std::is_same_v<Stream, beast::tcp_stream>) {
      error_code ignored;
      stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    } else {
      // Ends when the client has answered, or with Close.
      stream_.async_shutdown([owner = std::move(owner)](error_code) {});
    }
  }
  void Close() override {
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().close(ignored);
  }

 private:
  Stream stream_;
};

// Reads requests from one stream and writes the answers, one at a time. Everything runs on the loop's thread, so there
// is no lock. Each pending operation holds a reference; when none is left the connection is gone.
template <typename Stream>
class StreamConnection final : public Connection, public std::enable_shared_from_this<StreamConnection<Stream>> {
  static constexpr bool kIsTls = !std::is_same_v<Stream, beast::tcp_stream>;

 public:
  StreamConnection(Stream stream, std::shared_ptr<Loop> loop, std::shared_ptr<Service> service)
      : loop_(std::move(loop)), service_(std::move(service)), stream_(std::move(stream)) {}

  void Start() {
    loop_->connections.insert(this);
    if (service_->is_draining) return Abort();
    if constexpr (kIsTls) {
      ExpireAfter(limits().handshake_timeout);
      stream_.async_handshake(asio::ssl::stream_base::server, [self = this->shared_from_this()](error_code error) {
        if (error) {
          ++self->service_->failed_handshakes;
          return self->Abort();
        }
        self->ReadNext();
      });
    } else {
      ReadNext();
    }
  }

  void Drain() override {
    if (state_ == State::kIdle) Abort();
  }

  void Abort() override {
    if (state_ == State::kClosed) return;
    state_ = State::kClosed;
    const auto self = this->shared_from_this();  // The dial may hold the only other reference.
    if (dial_) dial_->Cancel();
    loop_->connections.erase(this);
    service_->Close();
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().close(ignored);
  }

 private:
  enum class State { kHandshake, kIdle, kReading, kDialing, kHandling, kWriting, kLingering, kClosed };

  const ServerLimits& limits() const { return service_->options.limits; }

  void ExpireAfter(absl::Duration time) {
    beast::get_lowest_layer(stream_).expires_after(absl::ToChronoNanoseconds(time));
  }

  // A handler of `self->*next` that does nothing once the connection is closed.
  template <typename Next>
  auto Then(Next next) {
    return [self = this->shared_from_this(), next](error_code error, size_t bytes) {
      if (self->state_ != State::kClosed) (self.get()->*next)(error, bytes);
    };
  }

  void ReadNext() {
    if (service_->is_draining) return Abort();
    state_ = State::kIdle;
    if (buffer_.size() > 0) return ReadHeader();  // The client sent ahead.
    ExpireAfter(limits().idle_timeout);
    stream_.async_read_some(buffer_.prepare(kFirstReadBytes), Then(&StreamConnection::OnFirstBytes));
  }

  void OnFirstBytes(error_code error, size_t bytes) {
    if (error) return Abort();  // The client has left, or was silent for too long.
    buffer_.commit(bytes);
    ReadHeader();
  }

  void ReadHeader() {
    state_ = State::kReading;
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(limits().header_bytes_max));
    parser_->body_limit(boost::none);  // Set for the route, once it is known.
    ExpireAfter(limits().header_timeout);
    beast::http::async_read_header(stream_, buffer_, *parser_, Then(&StreamConnection::OnHeader));
  }

  void OnHeader(error_code error, size_t /*bytes*/) {
    if (error) return OnReadError(error);
    request_ = std::make_shared<Request>();
    CopyHeader();
    std::optional<Target> target = ParseTarget(request_->target);
    if (!target) return Refuse(RenderError(400, "the request target is malformed"));
    request_->segments = std::move(target->segments);
    request_->query = std::move(target->query);
    const TunnelOptions& tunnel = service_->options.tunnel;
    if (tunnel.accepts && tunnel.accepts(*request_)) return DialTunnel();
    Router::Match match = service_->options.router.Find(request_->method, request_->segments);
    if (match.route == nullptr) {
      return Refuse(match.is_path_known ? RenderError(405, "the resource does not support this method")
                                        : RenderError(404, "no such resource"));
    }
    route_ = match.route;
    request_->captures = std::move(match.captures);
    if (service_->options.admit) {
      if (std::optional<Response> refusal = service_->options.admit(*request_, *route_)) {
        return Refuse(*std::move(refusal));
      }
    }
    ReadBody();
  }

  void CopyHeader() {
    const auto& message = parser_->get();
    request_->method = std::string(Text(message.method_string()));
    request_->target = std::string(Text(message.target()));
    for (const auto& field : message) {
      request_->headers.push_back({std::string(Text(field.name_string())), std::string(Text(field.value()))});
    }
  }

  void DialTunnel() {
    if (parser_->chunked() || parser_->content_length().value_or(0) > 0) {
      return Refuse(RenderError(400, "a request for another protocol has no body"));
    }
    state_ = State::kDialing;
    beast::get_lowest_layer(stream_).expires_never();
    dial_ = DialUpstream(
        loop_, service_, Greeting(),
        [self = this->shared_from_this()](std::unique_ptr<Upstream> upstream) { self->OnDialed(std::move(upstream)); });
  }

  // The request as the client sent it, and what it sent ahead. With the client's address, if that is wanted.
  std::string Greeting() {
    std::string greeting;
    if (service_->options.tunnel.sends_proxy_header) {
      error_code ignored;
      auto& socket = beast::get_lowest_layer(stream_).socket();
      greeting = ProxyHeader(socket.remote_endpoint(ignored), socket.local_endpoint(ignored));
    }
    greeting +=
        request_->method + " " + request_->target + (parser_->get().version() == 10 ? " HTTP/1.0" : " HTTP/1.1");
    for (const Header& header : request_->headers) greeting += "\r\n" + header.name + ": " + header.value;
    greeting += "\r\n\r\n";
    greeting += beast::buffers_to_string(buffer_.data());
    return greeting;
  }

  void OnDialed(std::unique_ptr<Upstream> upstream) {
    dial_ = nullptr;
    if (state_ != State::kDialing) return;
    if (upstream == nullptr) {
      ++service_->refused_tunnels;
      return Refuse(RenderError(503, "nobody takes the connection at the moment"));
    }
    state_ = State::kClosed;  // What it was goes on as something else.
    loop_->connections.erase(this);
    StartTunnel(std::make_unique<ClientStream<Stream>>(std::move(stream_)), std::move(upstream), loop_, service_);
  }

  void ReadBody() {
    const auto length = parser_->content_length();
    if (length && *length > route_->body_bytes_max) return RefuseSize();
    parser_->body_limit(route_->body_bytes_max);
    const std::optional<std::string_view> expect = request_->FindHeader("Expect");
    if (expect && !absl::EqualsIgnoreCase(absl::string_view(expect->data(), expect->size()), "100-continue")) {
      return Refuse(RenderError(417, "only 100-continue can be expected"));
    }
    ExpireAfter(limits().body_timeout);
    if (expect && !parser_->is_done()) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      return asio::async_write(stream_, asio::buffer(kContinue), Then(&StreamConnection::OnContinueSent));
    }
    beast::http::async_read(stream_, buffer_, *parser_, Then(&StreamConnection::OnBody));
  }

  void OnContinueSent(error_code error, size_t /*bytes*/) {
    if (error) return Abort();
    beast::http::async_read(stream_, buffer_, *parser_, Then(&StreamConnection::OnBody));
  }

  void OnBody(error_code error, size_t /*bytes*/) {
    if (error == beast::http::error::body_limit) return RefuseSize();
    if (error) return OnReadError(error);
    request_->body = std::move(parser_->get().body());
    state_ = State::kHandling;
    ++service_->requests_in_progress;
    beast::get_lowest_layer(stream_).expires_never();
    route_->handler(request_, [self = this->shared_from_this()](Response response) {
      self->loop_->Post([self, response = std::move(response)]() mutable { self->OnAnswer(std::move(response)); });
    });
  }

  void OnAnswer(Response response) {
    if (state_ != State::kHandling) return;
    --service_->requests_in_progress;
    Write(std::move(response), /*linger=*/false);
  }

  void OnReadError(error_code error) {
    using HttpError = beast::http::error;
    if (error == HttpError::end_of_stream || error == beast::error::timeout) return Abort();
    if (error == HttpError::header_limit || error == HttpError::buffer_overflow) {
      return Refuse(RenderError(431, "the request headers are too large"));
    }
    if (error.category() != beast::http::make_error_code(HttpError::bad_method).category()) return Abort();
    Refuse(RenderError(400, "the request is not well-formed HTTP"));
  }

  void RefuseSize() { Refuse(RenderError(413, "the request body is too large")); }

  Response RenderError(int status, std::string_view text) const {
    if (!service_->options.render_error) return {.status = status};
    return service_->options.render_error(status, text, request_.get());
  }

  // Answers without the handler. What the client still sends of this request is not understood as the next one.
  void Refuse(Response response) {
    const bool is_read = parser_->is_done();
    Write(std::move(response), /*linger=*/!is_read);
  }

  void Write(Response response, bool linger) {
    state_ = State::kWriting;
    is_last_ = linger || response.close || !parser_->keep_alive() || service_->is_draining;
    is_lingering_ = linger || response.close;
    const unsigned version = parser_->is_header_done() ? parser_->get().version() : 11;
    response_.emplace(static_cast<beast::http::status>(response.status), version);
    response_->set(beast::http::field::server, kServerName);
    response_->set(beast::http::field::date,
                   absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", absl::Now(), absl::UTCTimeZone()));
    for (const Header& header : response.headers) response_->insert(header.name, header.value);
    response_->keep_alive(!is_last_);
    response_->body() = std::move(response.body);
    if (response.status != 204) response_->content_length(response_->body().size());
    ExpireAfter(limits().write_timeout);
    beast::http::async_write(stream_, *response_, Then(&StreamConnection::OnWritten));
  }

  void OnWritten(error_code error, size_t /*bytes*/) {
    if (error) return Abort();
    response_.reset();
    request_.reset();
    route_ = nullptr;
    if (!is_last_) return ReadNext();
    state_ = State::kLingering;
    beast::get_lowest_layer(stream_).expires_after(kLingerTime);
    if constexpr (kIsTls) {
      // OpenSSL writes our close_notify at once; whether the client answers it does not matter.
      stream_.async_shutdown([self = this->shared_from_this()](error_code) { self->FinishSending(); });
    } else {
      FinishSending();
    }
  }

  void FinishSending() {
    if (state_ == State::kClosed) return;
    error_code ignored;
    beast::get_lowest_layer(stream_).socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    if (!is_lingering_) return Abort();
    Linger();
  }

  void Linger() {
    beast::get_lowest_layer(stream_).async_read_some(asio::buffer(scratch_), Then(&StreamConnection::OnLingered));
  }

  void OnLingered(error_code error, size_t bytes) {
    lingered_bytes_ += bytes;
    if (error || lingered_bytes_ > kLingerBytesMax) return Abort();
    Linger();
  }

  static constexpr size_t kFirstReadBytes = 4096;

  const std::shared_ptr<Loop> loop_;  // First: the stream lives on its io_context.
  const std::shared_ptr<Service> service_;
  Stream stream_;
  State state_ = State::kHandshake;
  beast::flat_buffer buffer_;
  std::optional<beast::http::request_parser<beast::http::string_body>> parser_;
  std::shared_ptr<Request> request_;
  const Route* route_ = nullptr;
  std::shared_ptr<UpstreamDial> dial_;  // While kDialing.
  std::optional<beast::http::response<beast::http::string_body>> response_;
  bool is_last_ = false;       // Close after this answer.
  bool is_lingering_ = false;  // Input may still come that nobody wants.
  size_t lingered_bytes_ = 0;
  std::array<char, 4096> scratch_;
};

}  // namespace

bool Service::TryOpen() {
  MutexLock lock(mutex);
  if (connections >= options.limits.connections_max) return false;
  ++connections;
  return true;
}

void Service::Close() {
  MutexLock lock(mutex);
  if (--connections == 0) emptied.notify_all();
}

bool Service::WaitUntilEmpty(absl::Duration patience) {
  std::unique_lock<Mutex> lock(mutex);
  return emptied.wait_for(lock, absl::ToChronoNanoseconds(patience), [this] { return connections == 0; });
}

void Loop::Post(std::function<void()> work) {
  MutexLock lock(mutex);
  if (!is_stopped) boost::asio::post(io, std::move(work));
}

void Loop::Stop() {
  MutexLock lock(mutex);
  is_stopped = true;
}

void Serve(asio::ip::tcp::socket socket, asio::ssl::context* tls, std::shared_ptr<Loop> loop,
           std::shared_ptr<Service> service) {
  if (tls == nullptr) {
    std::make_shared<StreamConnection<beast::tcp_stream>>(beast::tcp_stream(std::move(socket)), std::move(loop),
                                                          std::move(service))
        ->Start();
    return;
  }
  std::make_shared<StreamConnection<beast::ssl_stream<beast::tcp_stream>>>(
      beast::ssl_stream<beast::tcp_stream>(beast::tcp_stream(std::move(socket)), *tls), std::move(loop),
      std::move(service))
      ->Start();
}

}  // namespace fleetcast::http
