// The stream to one device_connection, kept alive.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/method_dispatch/dispatcher.h"
#include "services/method_dispatch/outlets.h"

namespace fleetcast::method_dispatch {

// Connects in the background, tells the dispatcher when the stream is up, down, or says something. Thread-safe; Stop
// before the dispatcher goes.
class DeliveryLink : public DeliveryOutlet {
 public:
  // `address` is host:port; INVALID_ARGUMENT when malformed. `dispatcher` must outlive the link.
  static absl::StatusOr<std::unique_ptr<DeliveryLink>> Start(const std::string& address, Dispatcher& dispatcher);
  // Closes the stream and waits for its callbacks.
  virtual void Stop() = 0;
};

}  // namespace fleetcast::method_dispatch
