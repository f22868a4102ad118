// Where the dispatcher sends: streams, seen as what can be sent to. Implemented by the gRPC classes and by tests.
#pragma once

#include "fleetcast/internal/v1/delivery.pb.h"
#include "fleetcast/internal/v1/method_dispatch.pb.h"

namespace fleetcast::method_dispatch {

// The stream to one device_connection. Thread-safe, never waits.
class DeliveryOutlet {
 public:
  virtual ~DeliveryOutlet() = default;
  // False when the stream is down or does not keep up: nothing of `request` was sent.
  virtual bool TrySend(internal::v1::DeliverRequest request) = 0;
};

// The stream of one scheduler. Thread-safe, never waits.
class SchedulerOutlet {
 public:
  virtual ~SchedulerOutlet() = default;
  // False when the stream is down or does not keep up.
  virtual bool TrySend(internal::v1::DispatchResponse response) = 0;
  // Ends the stream: the scheduler attaches again and asks with `recover`, so nothing is lost.
  virtual void Close() = 0;
};

}  // namespace fleetcast::method_dispatch
