// Inside libs/http: finding somebody behind us who takes a byte stream, and the first words with them.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>

#include "libs/http/connection.h"

namespace fleetcast::http {

// A connection to somebody who has answered.
struct Upstream {
  boost::asio::ip::tcp::socket socket;
  std::string first;  // What came of the answer so far; not empty.
};

// One attempt to be taken, on the loop's thread.
class UpstreamDial {
 public:
  virtual ~UpstreamDial() = default;
  // Gives up; the callback is not called any more.
  virtual void Cancel() = 0;
};

// Connects to the addresses of `service`'s tunnel, one after the other, beginning with another one each time; says
// `greeting` to each that can be reached, until one answers. Calls `done` once, on the loop's thread: with nobody when
// all were tried.
std::shared_ptr<UpstreamDial> DialUpstream(std::shared_ptr<Loop> loop, std::shared_ptr<Service> service,
                                           std::string greeting, std::function<void(std::unique_ptr<Upstream>)> done);

}  // namespace fleetcast::http
