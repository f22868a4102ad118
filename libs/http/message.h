// One HTTP request and one response, as handlers see them. Plain values without Beast.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fleetcast::http {

struct Header {
  std::string name;
  std::string value;
};

// A request whose target was understood. The body is empty until it has been read.
struct Request {
  std::string method;                                      // As sent: GET, PUT, …
  std::string target;                                      // Raw, for logs: path and query.
  std::vector<std::string> segments;                       // Of the path, each percent-decoded once; no empty ones.
  std::vector<std::pair<std::string, std::string>> query;  // Names in lower case, values percent-decoded, in order.
  std::vector<Header> headers;                             // In order.
  std::vector<std::string> captures;                       // What the matched route's `*` segments stand for.
  std::string body;

  // The header's value, blanks trimmed; nothing when it is absent. `name` in any case. The first, if there are several.
  std::optional<std::string_view> FindHeader(std::string_view name) const;

  // How many headers have this name.
  size_t CountHeader(std::string_view name) const;

  // The first query parameter called `name` (lower case); nothing when it is absent.
  std::optional<std::string_view> FindQuery(std::string_view name) const;

  // How many query parameters have this name (lower case).
  size_t CountQuery(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::vector<Header> headers = {};  // Without Content-Length, Date, Connection and Server: the server writes those.
  std::string body = {};
  bool close = false;  // Close the connection after this answer: what follows on it cannot be trusted.
};

// Takes the answer to one request. Called exactly once, from any thread, at any time; calls after the server or the
// client has gone have no effect.
using Respond = std::function<void(Response)>;

// What parsing a request target gives.
struct Target {
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> query;
};

// Takes `target` apart: origin form `/a/b?x=y`, or absolute form, whose host is ignored. The path is split at `/`
// before each segment is percent-decoded once; `+` is a plus in the path and a blank in the query. Empty segments are
// dropped, so a trailing slash means nothing. Nothing for other forms, bad escapes, NUL bytes and fragments.
std::optional<Target> ParseTarget(std::string_view target);

}  // namespace fleetcast::http
