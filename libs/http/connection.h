// Inside libs/http: one client connection, and the event loop it belongs to.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>
#include <unordered_set>

#include "libs/base/mutex.h"
#include "libs/http/server.h"

namespace fleetcast::http {

// What the connections of one server share. Thread-safe.
struct Service {
  explicit Service(ServerOptions given) : options(std::move(given)) {}

  const ServerOptions options;
  std::atomic<bool> is_draining{false};
  std::atomic<int64_t> refused_connections{0};
  std::atomic<int64_t> failed_handshakes{0};
  std::atomic<int64_t> requests_in_progress{0};
  std::atomic<int64_t> tunnels{0};
  std::atomic<int64_t> opened_tunnels{0};
  std::atomic<int64_t> refused_tunnels{0};
  std::atomic<size_t> next_upstream{0};  // Modulo their number: who is asked first.

  // Counts a new connection, unless there are connections_max already.
  bool TryOpen() EXCLUDES(mutex);
  void Close() EXCLUDES(mutex);
  // Waits until no connection is open; false when `patience` is over first.
  bool WaitUntilEmpty(absl::Duration patience) EXCLUDES(mutex);

  mutable Mutex mutex;
  CondVar emptied;
  size_t connections GUARDED_BY(mutex) = 0;
};

// A connection, as its loop sees it. Both calls run on the loop's thread.
class Connection {
 public:
  virtual ~Connection() = default;
  // Closes now if no request is in progress; otherwise after its answer.
  virtual void Drain() = 0;
  // Closes now.
  virtual void Abort() = 0;
};

// One thread with its io_context, and the connections that live on it. Kept alive by its connections, so that an answer
// that comes after the server's end still finds something to be dropped by.
struct Loop {
  // Runs `work` on the loop's thread; drops it when the loop has stopped.
  void Post(std::function<void()> work) EXCLUDES(mutex);
  // No Post has an effect from here on.
  void Stop() EXCLUDES(mutex);

  boost::asio::io_context io{1};
  std::unordered_set<Connection*> connections;  // Only on the loop's thread.

  Mutex mutex;
  bool is_stopped GUARDED_BY(mutex) = false;
};

// Serves the accepted `socket` (which must belong to loop->io) until it is closed; owns itself. Call on the loop's
// thread, after service->TryOpen(). `tls` is null for plain text; it is not used after this.
void Serve(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls, std::shared_ptr<Loop> loop,
           std::shared_ptr<Service> service);

}  // namespace fleetcast::http
