// Exporting every device, module and twin as a stream of lines.
#pragma once

#include "absl/status/status.h"
#include "fleetcast/registry/v1/device.pb.h"
#include "libs/model/page_token.h"
#include "libs/rpc/server_stream.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/export_store.h"

namespace fleetcast::twin {

// Thread-safe; what it is given outlives it.
class DeviceExport {
 public:
  using Out = rpc::ServerStream<registry::v1::ExportDevicesResponse>;

  DeviceExport(ExportStore& store, const KeyVault& vault, const PageTokens& tokens)
      : store_(store), vault_(vault), tokens_(tokens) {}

  // Reads page after page and sends each, as fast as the client takes them: holds one page and what waits in `out`.
  // INVALID_ARGUMENT (INVALID_PAGE_TOKEN) for a foreign resume token.
  absl::Status Run(const rpc::Call& call, const registry::v1::ExportDevicesRequest& request, Out& out);

 private:
  ExportStore& store_;
  const KeyVault& vault_;
  const PageTokens& tokens_;
};

}  // namespace fleetcast::twin
