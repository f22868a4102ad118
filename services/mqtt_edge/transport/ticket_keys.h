// Keys of TLS session tickets: shared by all edges and changed from time to time (D-TLS-5).
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/mutex.h"

struct ssl_ctx_st;

namespace fleetcast::mqtt_edge {

// What tickets are sealed with. A device that comes back with a ticket, to whichever edge has its key, saves itself and
// us the costly half of the handshake. Thread-safe.
class TicketKeys {
 public:
  static constexpr size_t kKeyBytes = 32;
  static constexpr size_t kKeysMax = 16;

  // A random key: tickets hold as long as this object.
  TicketKeys();

  // Takes the keys of a file from here on: one a line, base64 of 32 bytes; empty lines and lines that begin with # do
  // not count. The first seals, all of them open: to change keys, put a new line at the end of the file on all edges,
  // then move it to the top, then take the old one out. INVALID_ARGUMENT, without any of the text, for no key, more
  // than kKeysMax or a malformed one; the keys stay as they were then.
  absl::Status Load(std::string_view text) EXCLUDES(mutex_);

  // Makes connections of `context` use these keys. The object outlives the context and its connections.
  void Install(ssl_ctx_st* context);

  // What OpenSSL sees of a key.
  struct Key {
    std::array<unsigned char, 16> name;  // In front of the ticket, in clear text.
    std::array<unsigned char, 32> cipher;
    std::array<unsigned char, 32> mac;
  };
  using Keys = std::vector<Key>;  // Never empty.

  std::shared_ptr<const Keys> Current() const EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const Keys> keys_ GUARDED_BY(mutex_);
};

}  // namespace fleetcast::mqtt_edge
