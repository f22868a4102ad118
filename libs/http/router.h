// Which handler serves which method and path.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libs/http/message.h"

namespace fleetcast::http {

// Serves one request. Runs on an I/O thread and must not block; answers through `respond`, now or later.
using Handler = std::function<void(std::shared_ptr<const Request> request, Respond respond)>;

struct Route {
  std::string method;
  std::string pattern;  // Segments separated by `/`; `*` captures one. Literals match in any letter case.
  size_t body_bytes_max = 0;
  Handler handler = {};
  int tag = 0;  // The owner's own mark, for instance the right that the call needs.
};

// A fixed list of routes; dozens, so it is searched in order. Literal routes go before capturing ones. Immutable while
// serving, thread-safe then.
class Router {
 public:
  void Add(Route route);

  struct Match {
    const Route* route = nullptr;  // Null when nothing fits.
    std::vector<std::string> captures;
    bool is_path_known = false;  // Whether another method would fit: 405 instead of 404.
  };

  // The first route for `method` and `segments` (decoded). Methods are case-sensitive (RFC 9110).
  Match Find(std::string_view method, const std::vector<std::string>& segments) const;

 private:
  struct Entry {
    Route route;
    std::vector<std::string> pattern;
  };

  std::vector<std::shared_ptr<const Entry>> entries_;
};

}  // namespace fleetcast::http
