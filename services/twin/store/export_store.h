// Whole identities with their twins, page by page, for exports.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/postgres/pool.h"
#include "services/twin/store/device_rows.h"

namespace fleetcast::twin {

// One identity with its twin, both of one moment. JSON as PostgreSQL prints it.
struct ExportRow {
  DeviceRow identity;
  int64_t twin_etag = 0;
  int64_t desired_version = 0;
  int64_t reported_version = 0;
  std::string tags;
  std::string desired;
  std::string reported;
  std::string desired_metadata;
  std::string reported_metadata;
};

// Thread-safe.
class ExportStore {
 public:
  explicit ExportStore(postgres::Pool& pool) : pool_(pool) {}

  // The next 250 devices after `after` in order of id, and the modules of these devices in order of both ids. Two
  // statements: a device and its modules may be of different moments.
  struct Page {
    std::vector<ExportRow> devices;
    std::vector<ExportRow> modules;
    bool is_last = false;
  };
  absl::StatusOr<Page> Read(absl::Time deadline, std::string_view after);

  // About how many devices there are, without counting them.
  absl::StatusOr<int64_t> EstimateDevices(absl::Time deadline);

 private:
  postgres::Pool& pool_;
};

}  // namespace fleetcast::twin
