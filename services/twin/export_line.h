// One line of an export: an ExportImportDevice (service-rest.md 11.5). Pure.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/export_store.h"

namespace fleetcast::twin {

// The line of `row` without a line break, importMode createOrUpdate, so that it can be imported as it is. `vault` null:
// without symmetric keys. Errors as KeyVault::Open.
absl::StatusOr<std::string> ExportLine(const ExportRow& row, const KeyVault* vault);

}  // namespace fleetcast::twin
