#include "libs/http/upstream.h"

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace fleetcast::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

class Dial final : public UpstreamDial, public std::enable_shared_from_this<Dial> {
  // A handler of a `Result` that does nothing when its attempt is over.
  template <typename Result, typename Next>
  auto Then(Next next) {
    return [self = shared_from_this(), attempt = attempt_, next](error_code error, const Result& result) {
      if (attempt == self->attempt_) next(error, result);
    };
  }

 public:
  Dial(std::shared_ptr<Loop> loop, std::shared_ptr<Service> service, std::string greeting,
       std::function<void(std::unique_ptr<Upstream>)> done)
      : loop_(std::move(loop)),
        service_(std::move(service)),
        greeting_(std::move(greeting)),
        done_(std::move(done)),
        resolver_(loop_->io),
        socket_(loop_->io),
        timer_(loop_->io),
        next_(service_->next_upstream++) {}

  void TryNext() {
    Drop();
    if (tried_ == addresses().size()) return Finish(nullptr);
    const std::string& address = addresses()[(next_ + tried_++) % addresses().size()];
    const size_t colon = address.rfind(':');
    std::string host = address.substr(0, colon);
    if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
    ExpireAfter(options().connect_timeout);
    resolver_.async_resolve(host, address.substr(colon + 1),
                            Then<tcp::resolver::results_type>([this](error_code error, const auto& found) {
                              if (error) return TryNext();
                              Connect(found);
                            }));
  }

  void Cancel() override {
    done_ = nullptr;
    Drop();
  }

 private:
  const TunnelOptions& options() const { return service_->options.tunnel; }
  const std::vector<std::string>& addresses() const { return options().addresses; }

  void Connect(const tcp::resolver::results_type& found) {
    asio::async_connect(socket_, found, Then<tcp::endpoint>([this](error_code error, const tcp::endpoint&) {
                          if (error) return TryNext();
                          Greet();
                        }));
  }

  void Greet() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    ExpireAfter(options().answer_timeout);
    asio::async_write(socket_, asio::buffer(greeting_), Then<size_t>([this](error_code error, size_t) {
                        if (error) return TryNext();
                        ReadFirst();
                      }));
  }

  void ReadFirst() {
    socket_.async_read_some(asio::buffer(first_), Then<size_t>([this](error_code error, size_t bytes) {
                              if (error) return TryNext();  // It closed without a word: it does not want us.
                              auto upstream = std::make_unique<Upstream>(Upstream{std::move(socket_), {}});
                              upstream->first.assign(first_.data(), bytes);
                              Finish(std::move(upstream));
                            }));
  }

  void ExpireAfter(absl::Duration time) {
    timer_.expires_after(absl::ToChronoNanoseconds(time));
    timer_.async_wait([self = shared_from_this(), attempt = attempt_](error_code error) {
      if (!error && attempt == self->attempt_) self->TryNext();
    });
  }

  // Ends the current attempt.
  void Drop() {
    ++attempt_;
    timer_.cancel();
    resolver_.cancel();
    error_code ignored;
    socket_.close(ignored);
  }

  void Finish(std::unique_ptr<Upstream> upstream) {
    Drop();
    if (auto done = std::exchange(done_, nullptr)) done(std::move(upstream));
  }

  const std::shared_ptr<Loop> loop_;  // First: the rest lives on its io_context.
  const std::shared_ptr<Service> service_;
  const std::string greeting_;
  std::function<void(std::unique_ptr<Upstream>)> done_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  const size_t next_;
  size_t tried_ = 0;
  uint64_t attempt_ = 0;
  std::array<char, 4096> first_;
};

}  // namespace

std::shared_ptr<UpstreamDial> DialUpstream(std::shared_ptr<Loop> loop, std::shared_ptr<Service> service,
                                           std::string greeting, std::function<void(std::unique_ptr<Upstream>)> done) {
  const auto dial = std::make_shared<Dial>(std::move(loop), std::move(service), std::move(greeting), std::move(done));
  dial->TryNext();
  return dial;
}

}  // namespace fleetcast::http
