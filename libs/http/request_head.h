// The head of an HTTP request (request line and headers) out of bytes that somebody else has read: for loops that do
// their own I/O.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "libs/http/message.h"

namespace fleetcast::http {

// A head that was understood.
struct RequestHead {
  Request request;        // Without a body, `segments` and `query`: the target is not taken apart yet (ParseTarget).
  int version = 11;       // 10 or 11.
  bool has_body = false;  // A body was announced, by Content-Length above 0 or Transfer-Encoding.
};

// How many bytes the head at the front of `bytes` takes, its empty line included; nothing while it is not complete.
// `searched` bytes at the front are known not to hold its end.
std::optional<size_t> FindHeadEnd(std::string_view bytes, size_t searched = 0);

// True if `bytes` may become a request: whatever they begin with can be a method.
bool MayBeRequest(std::string_view bytes);

// The one complete head `bytes`; nothing when it is not well-formed HTTP/1.x. Rules of Boost.Beast: CRLF, no folding of
// headers, no contradictory lengths.
std::optional<RequestHead> ParseRequestHead(std::string_view bytes);

}  // namespace fleetcast::http
