// One WebSocket at the server's end, from the first byte of its request to its close frame, without any I/O.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "libs/websocket/frames.h"

namespace fleetcast::websocket {

struct Decision;

inline constexpr size_t kHeadBytesMax = size_t{8} * 1024;  // Of the request for the upgrade; beyond: 431.

// Not thread-safe. Allocates for the request only; an open one holds about 250 bytes.
class ServerStream {
 public:
  enum class State : uint8_t {
    kUpgrading,  // The request is not complete.
    kOpen,
    kClosed,  // Refused, or its close frame is sent: write what there is, and close the connection.
  };

  // `message_bytes_max` as for FrameDecoder.
  explicit ServerStream(size_t message_bytes_max) : decoder_(message_bytes_max) {}

  // While kUpgrading: takes what the client sends. Returns how many of the bytes belong to the request (the others are
  // for Receive) and appends the answer to `answer` when it is known; the state tells which it is.
  size_t Upgrade(std::string_view bytes, std::string* answer);

  // Afterwards: takes `size` bytes and overwrites them. Returns what is in their binary messages, as a view of `bytes`.
  // Appends to `answers` what has to be written, behind what comes of the payload.
  std::string_view Receive(char* bytes, size_t size, std::string* answers);

  // Puts what is in `out` from `at` on, our next bytes, into a frame; nothing comes of nothing. Only when it was
  // opened.
  void Frame(std::string* out, size_t at = 0) const;

  // Ends it from our side: appends the close frame to `answers`, unless it has ended or was never open.
  void Close(CloseCode code, std::string* answers);

  State state() const { return state_; }
  // The answer to the request for the upgrade: 101 or a refusal; 0 while there is none.
  int http_status() const { return http_status_; }
  // What is kept of a request that is not complete.
  size_t head_bytes() const { return head_.size(); }
  // Why it was closed by us; kNone if the client closed it.
  Violation violation() const { return decoder_.violation(); }

 private:
  void Answer(const Decision& decision, std::string* answer);

  FrameDecoder decoder_;
  std::string head_;  // The request as far as it has come.
  State state_ = State::kUpgrading;
  int http_status_ = 0;
};

}  // namespace fleetcast::websocket
