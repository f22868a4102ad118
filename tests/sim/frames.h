// What edges and hubs say to each other: edge_link.proto without the wire.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fleetcast/internal/v1/delivery.pb.h"
#include "services/device_connection/session_entry.h"
#include "services/mqtt_edge/connection/effects.h"
#include "services/mqtt_edge/link/report_log.h"

namespace fleetcast::sim {

// From an edge.
struct EdgeFrame {
  struct Open {
    uint64_t session = 0;
    std::string device_id;
    bool is_clean = false;
  };
  struct Live {
    uint64_t session = 0;
    std::string device_id;
    int64_t epoch = 0;
    uint32_t subscriptions = 0;
    int64_t connect_unix_micros = 0;
  };
  struct Subscription {
    uint64_t session = 0;
    std::string device_id;
    int64_t epoch = 0;
    uint32_t subscriptions = 0;
    bool is_durable = false;
  };
  struct Closed {
    uint64_t session = 0;
    std::string device_id;
    int64_t epoch = 0;
  };

  std::vector<Open> opens;
  std::vector<Live> live;
  std::vector<Subscription> subscriptions;
  std::vector<mqtt_edge::ReportLog::Entry> reports;
  std::vector<Closed> closed;
  bool is_heartbeat = false;

  bool empty() const {
    return opens.empty() && live.empty() && subscriptions.empty() && reports.empty() && closed.empty() && !is_heartbeat;
  }
};

// To an edge.
struct HubFrame {
  struct Opened {
    uint64_t session = 0;
    bool is_accepted = false;
    int64_t epoch = 0;
    uint32_t subscriptions = 0;
    bool session_present = false;
  };
  struct Saved {
    uint64_t session = 0;
    uint32_t subscriptions = 0;
    bool is_failed = false;
  };
  struct Call {
    uint64_t call_id = 0;
    uint64_t session = 0;
    int64_t epoch = 0;
    std::shared_ptr<const internal::v1::MethodRequest> request;
    absl::Time permit_expire;
    absl::Time answer_deadline;
  };
  struct Disconnect {
    uint64_t session = 0;
    int64_t epoch = 0;
  };

  struct Check {
    uint64_t session = 0;
    std::string device_id;
    int64_t epoch = 0;
  };

  bool is_hello = false;
  std::vector<Opened> opened;
  std::vector<Saved> saved;
  std::vector<Call> calls;
  std::vector<Disconnect> disconnects;
  std::vector<Check> checks;
  uint64_t acknowledged = 0;
};

}  // namespace fleetcast::sim
