// Twin reads and reported patches of devices, in batches to the twin service and back.
#pragma once

#include <memory>
#include <vector>

#include "fleetcast/internal/v1/edge_link.pb.h"
#include "libs/base/clock.h"
#include "services/device_connection/batch_worker.h"
#include "services/device_connection/edges.h"
#include "services/device_connection/hub_metrics.h"
#include "services/device_connection/twin_client.h"

namespace fleetcast::device_connection {

// Every operation gets exactly one result, on the stream that asked; errors carry the JSON error object (D-TWN-2).
// Thread-safe.
class TwinOperations {
 public:
  static constexpr size_t kQueueMax = 50'000;
  // A twin has at most 64 KiB and a patch 32 KiB: a batch stays under the 4 MiB of one message.
  static constexpr size_t kReadsMax = 50;
  static constexpr size_t kPatchesMax = 100;

  TwinOperations(TwinClient& twin, Clock& clock, const HubMetrics& metrics);

  void Read(std::shared_ptr<const Edge> edge, internal::v1::TwinRead read);
  void Patch(std::shared_ptr<const Edge> edge, internal::v1::ReportedPatch patch);

 private:
  struct ReadRequest {
    std::shared_ptr<const Edge> edge;
    internal::v1::TwinRead read;
  };
  struct PatchRequest {
    std::shared_ptr<const Edge> edge;
    internal::v1::ReportedPatch patch;
  };

  void HandleReads(std::vector<ReadRequest> batch);
  void HandlePatches(std::vector<PatchRequest> batch);

  TwinClient& twin_;
  Clock& clock_;
  const HubMetrics& metrics_;
  BatchWorker<ReadRequest> reads_;
  BatchWorker<PatchRequest> patches_;
};

}  // namespace fleetcast::device_connection
