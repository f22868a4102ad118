// One request on its way through the gateway.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/http/message.h"
#include "libs/rpc/call.h"
#include "libs/telemetry/trace.h"
#include "services/rest_gateway/dialect.h"

namespace fleetcast::rest_gateway {

// What is known about a request when its handler starts; and the only way to answer it. The handler keeps it until
// exactly one of the answers has been given; one that is dropped unanswered answers 500 by itself. Not thread-safe, but
// may move between threads with the backend call that it waits for.
class Exchange {
 public:
  // Told how the request ended: the HTTP status.
  using OnEnd = std::function<void(int http_status)>;

  struct Parts {
    std::shared_ptr<void> presence;  // Let go last: whoever waits for the end of this exchange watches it.
    std::shared_ptr<const http::Request> request;
    http::Respond respond;
    Dialect dialect = Dialect::kGa;
    std::string request_id;  // 32 hex digits.
    telemetry::Span span;
    Clock* clock = nullptr;
    std::stop_token stop;  // Requested when the gateway ends: calls to backends are cancelled.
    OnEnd on_end;
  };

  explicit Exchange(Parts parts) : parts_(std::move(parts)) {}
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const http::Request& request() const { return *parts_.request; }
  // What the route's n-th `*` stands for.
  const std::string& captured(size_t n) const { return parts_.request->captures[n]; }
  Dialect dialect() const { return parts_.dialect; }
  Clock& clock() { return *parts_.clock; }
  // For calls to backends: the trace and the stop; each call names its own limit.
  rpc::Call call() const { return {.stop = parts_.stop, .trace = parts_.span.context()}; }

  // 200 with a JSON body.
  void Answer(std::string body, std::vector<http::Header> headers = {});
  // 204.
  void AnswerEmpty();
  // An answer made elsewhere that needs our headers.
  void Answer(int http_status, std::string body, std::vector<http::Header> headers);
  // The error envelope.
  void Fail(const absl::Status& status);
  // The nested envelope of direct methods; `timeout` is the wait that ended.
  void FailMethod(const absl::Status& status, absl::Duration timeout);

 private:
  void Send(http::Response response, const absl::Status& status);

  Parts parts_;
  bool is_answered_ = false;
};

using ExchangePtr = std::shared_ptr<Exchange>;

// Serves one request; runs on an I/O thread and does not block.
using RouteHandler = std::function<void(ExchangePtr exchange)>;

// Names in `request` the device, or the module of a device, that the path of the exchange names: twins/*[/modules/*]/….
template <typename Request>
void SetIdentity(const Exchange& exchange, Request& request) {
  request.set_device_id(exchange.captured(0));
  if (exchange.request().captures.size() > 1) request.set_module_id(exchange.captured(1));
}

}  // namespace fleetcast::rest_gateway
