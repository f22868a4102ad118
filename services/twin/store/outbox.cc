#include "services/twin/store/outbox.h"

namespace fleetcast::twin {
namespace {

using postgres::Statement;

constexpr Statement kDesired{"twin_outbox_desired",
                             "INSERT INTO twin.outbox (device_ids, desired_versions, patch) "
                             "VALUES ($1::text[], $2::bigint[], $3)"};
constexpr Statement kRecordChange{"twin_outbox_record",
                                  "INSERT INTO twin.outbox (device_ids, disconnect) VALUES ($1::text[], $2)"};

}  // namespace

absl::Status AppendDesiredChange(postgres::Transaction& transaction, const std::vector<std::string>& device_ids,
                                 const std::vector<int64_t>& versions, std::string_view patch) {
  if (device_ids.empty()) return absl::OkStatus();
  return transaction.Run(kDesired, device_ids, versions, patch).status();
}

absl::Status AppendRecordChange(postgres::Transaction& transaction, const std::vector<std::string>& device_ids,
                                bool disconnect) {
  if (device_ids.empty()) return absl::OkStatus();
  return transaction.Run(kRecordChange, device_ids, disconnect).status();
}

}  // namespace fleetcast::twin
