// LISTEN: hints from other processes that something changed.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "libs/postgres/pool_options.h"

namespace fleetcast::postgres {

// Listens on one channel with a session and a thread of its own, and reconnects for as long as it lives. Notifications
// may be lost (a restart of the database, a broken session): whoever listens polls as well, more slowly.
class Listener {
 public:
  // `on_notify` gets each notification's payload on the listener's thread; after each (re)connect it is called once
  // with an empty payload, because something may have been missed. It must be quick and may not throw. `channel` is a
  // plain lower-case identifier.
  Listener(const PoolOptions& options, std::string channel, std::function<void(std::string_view payload)> on_notify);
  // Joins the thread; `on_notify` is not called afterwards.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

 private:
  void Run(std::stop_token stop);
  void ListenOnce(std::stop_token stop, int& attempt);

  const PoolOptions options_;
  const std::string channel_;
  const std::function<void(std::string_view)> on_notify_;
  const int wake_fd_;  // Readable once the listener is to stop.
  std::jthread thread_;
};

}  // namespace fleetcast::postgres
