// PUBACKs in the order in which the packets came, some of which have to wait.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/mqtt/reason.h"

namespace fleetcast::mqtt_edge {

// The QoS 1 packets of one connection that have no PUBACK yet (device-mqtt.md D-ORD-1). A packet with a method answer
// waits until that is taken, one with telemetry until the sink has delivered it, and every packet behind it waits for
// its turn; without one, nothing is kept here. Holds as many as are added: whoever adds stops reading when there are
// too many (D-FL-1). Pure; not thread-safe.
class Pubacks {
 public:
  // A packet that nothing has to happen for: its PUBACK is due, after those of the packets before it.
  void Add(uint16_t packet_id, mqtt::ReasonCode reason = mqtt::ReasonCode::kSuccess);
  // A packet whose PUBACK waits for Release(call_id), at most until `deadline` (monotonic).
  void AddWaiting(uint16_t packet_id, uint64_t call_id, absl::Duration deadline);

  // A packet whose PUBACK waits until its telemetry is delivered, however long that takes.
  void AddUndelivered(uint16_t packet_id);

  // The answer to this call is taken. False when none waits.
  bool Release(uint64_t call_id);
  // The `count` oldest of those that wait for it are delivered.
  void ReleaseDelivered(size_t count);
  // Gives up those whose deadline has come; how many there were.
  int Expire(absl::Duration now);

  // Appends the PUBACKs that are due to `output`, in order and in the form of `level`; how many.
  int WriteDue(uint8_t level, std::string* output);

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  // When Expire has something to do; infinite when nothing waits.
  absl::Duration NextDeadline() const;

 private:
  enum class Wait : uint8_t { kNothing, kAnswer, kDelivery };
  struct Entry {
    uint16_t packet_id;
    mqtt::ReasonCode reason;
    Wait waits_for;
    uint64_t call_id;
    absl::Duration deadline;
  };

  std::vector<Entry> entries_;  // Oldest first; few.
};

}  // namespace fleetcast::mqtt_edge
