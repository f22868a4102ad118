// One line of an import: an ExportImportDevice (service-rest.md 11.5) as a change of the registry. Pure but for
// generated keys.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/twin/key_vault.h"
#include "services/twin/store/registry_batch.h"

namespace fleetcast::twin {

inline constexpr size_t kImportLineBytesMax = size_t{1} << 20;

struct ImportLine {
  Identity identity;  // As far as the line could be read.
  absl::StatusOr<RegistryChange> change;
};

// Reads `line`: JSON, members with their first letter in either case, others ignored. Without importMode it means
// createOrUpdate. Errors, which never repeat a key: INVALID_JSON, JSON_TOO_LARGE, INVALID_VALUE, and those of
// ReadSettings and RestoreTwin.
ImportLine ReadImportLine(std::string_view line, const KeyVault& vault, absl::Time now);

}  // namespace fleetcast::twin
