// The stream to one device_connection replica: frames out in batches, frames in to the loops, reports kept until taken.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/mqtt_edge/connection/effects.h"

namespace fleetcast::internal::v1 {
class AttachRequest;
class AttachResponse;
}  // namespace fleetcast::internal::v1

namespace fleetcast::mqtt_edge {

namespace pb = ::fleetcast::internal::v1;

// Who this edge is.
struct EdgeIdentity {
  std::string edge_id;
  std::string boot_id;  // Of this start of the process.
};

// What the loops hear of the links. Called on gRPC threads; must not block.
class HubLinkObserver {
 public:
  virtual ~HubLinkObserver() = default;
  // The link stands. What is submitted from now on names `generation`.
  virtual void OnLinkAttached(LinkIndex link, uint64_t generation) = 0;
  // Whatever was submitted and not answered is lost, except reports.
  virtual void OnLinkLost(LinkIndex link) = 0;
  // False: the loops do not keep up; the link starts over.
  virtual bool OnFrame(LinkIndex link, std::shared_ptr<const pb::AttachResponse> frame) = 0;
};

// Thread-safe.
class HubLink {
 public:
  static constexpr size_t kUnacknowledgedMax = 100'000;                // Reports; beyond it the oldest is dropped.
  static constexpr size_t kUnacknowledgedBytesMax = 64 * 1024 * 1024;  // Of their payloads.
  static constexpr size_t kFrameReportsMax = 2'000;
  // Calls that the replica may have on their way to this edge without a report: as many as one scheduler may have
  // unfinished.
  static constexpr int64_t kCallCredit = 20'000;
  static constexpr size_t kFrameBytesMax = 1024 * 1024;  // Of payloads in one frame, more or less.

  // `address` is host:port. INVALID_ARGUMENT for a malformed one. `observer` and `identity` outlive the link.
  static absl::StatusOr<std::unique_ptr<HubLink>> Create(LinkIndex index, const std::string& address,
                                                         const EdgeIdentity& identity, HubLinkObserver& observer,
                                                         telemetry::Counter dropped_reports);
  ~HubLink();

  // Begins to connect, and connects again whenever the stream ends.
  void Start();

  // Sends `frame` and `reports`, which get their sequence numbers here. Reports are kept until the replica has
  // acknowledged them, whether the link stands or not; the frame is dropped when `generation` is not the current one
  // (the loop will hear of the loss). A replica that does not keep up loses the stream: all state is announced anew.
  void Submit(uint64_t generation, pb::AttachRequest frame, std::vector<CallReport> reports);

  // Writes what is queued for at most `limit`, then ends. No observer is called afterwards.
  void Shutdown(absl::Duration limit);

 private:
  struct State;
  explicit HubLink(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace fleetcast::mqtt_edge
