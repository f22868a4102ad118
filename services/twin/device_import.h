// Importing devices, modules and twins: one stream of batches, each a transaction, answered in order.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "fleetcast/registry/v1/device.grpc.pb.h"
#include "libs/base/worker_pool.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/registry_batch.h"

namespace fleetcast::twin {

// Requests of one stream that wait for their answers.
inline constexpr size_t kImportRequestsMax = 8;

// Applies the lines of one request and fills its answer. An identity that stands in several lines is written in their
// order, in as many transactions. The status is that of the request as a whole: then some of its lines may have been
// written.
absl::Status ImportBatch(absl::Time deadline, const registry::v1::ImportDevicesRequest& request,
                         RegistryBatchStore& batches, const KeyVault& vault,
                         registry::v1::ImportDevicesResponse& response);

// One stream.
class DeviceImport {
 public:
  struct Parts {
    RegistryBatchStore& batches;
    const KeyVault& vault;
  };
  using Reactor = grpc::ServerBidiReactor<registry::v1::ImportDevicesRequest, registry::v1::ImportDevicesResponse>;

  // Serves a stream: requests run on `workers` one after another. `parts` and `workers` outlive it; `on_change` is
  // called after each request.
  static Reactor* Start(grpc::CallbackServerContext* context, const Parts& parts, WorkerPool& workers,
                        std::function<void()> on_change);
};

}  // namespace fleetcast::twin
