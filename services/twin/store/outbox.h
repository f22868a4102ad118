// Writing to the outbox, inside the transaction of the change. Reading it: feed_store.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/postgres/transaction.h"

namespace fleetcast::twin {

// One patch that raised the desired version of devices; `versions` runs parallel to `device_ids`. No effect when empty.
absl::Status AppendDesiredChange(postgres::Transaction& transaction, const std::vector<std::string>& device_ids,
                                 const std::vector<int64_t>& versions, std::string_view patch);

// The records of devices changed; with `disconnect` the devices may not stay connected. No effect when empty.
absl::Status AppendRecordChange(postgres::Transaction& transaction, const std::vector<std::string>& device_ids,
                                bool disconnect);

}  // namespace fleetcast::twin
