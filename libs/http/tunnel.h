// Inside libs/http: a client's connection of which we only pass the bytes on.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <functional>
#include <memory>

#include "libs/http/connection.h"
#include "libs/http/upstream.h"

namespace fleetcast::http {

// One end of a tunnel. At most one read and one write at a time. Calls and handlers run on the loop's thread.
class ByteStream {
 public:
  using Done = std::function<void(boost::system::error_code error, size_t bytes)>;

  virtual ~ByteStream() = default;
  // Reads what there is, at least a byte.
  virtual void Read(boost::asio::mutable_buffer buffer, Done done) = 0;
  // Writes all of it.
  virtual void Write(boost::asio::const_buffer buffer, Done done) = 0;
  // Says that nothing more follows; reading goes on. Not during a write. `owner` keeps this alive until all is done:
  // TLS waits for the other side, also beyond Close.
  virtual void FinishSending(std::shared_ptr<void> owner) = 0;
  // Closes; pending operations end with an error.
  virtual void Close() = 0;
};

// Passes bytes between `client`, which was counted by service->TryOpen(), and `upstream` until both have ended, or one
// has and the other does not follow soon. Owns itself; call on the loop's thread.
void StartTunnel(std::unique_ptr<ByteStream> client, std::unique_ptr<Upstream> upstream, std::shared_ptr<Loop> loop,
                 std::shared_ptr<Service> service);

}  // namespace fleetcast::http
