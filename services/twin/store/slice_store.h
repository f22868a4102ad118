// Twin writes of jobs, effectively once: the result of a slice is stored with the twins that it changed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/postgres/pool.h"
#include "services/twin/store/merge_writer.h"
#include "services/twin/twin_edit.h"

namespace fleetcast::twin {

// The operation key: one change of one group of devices of a job. The devices of a key never change.
struct SliceKey {
  int64_t job_seq = 0;
  int32_t chunk = 0;
  int32_t slice = 0;
};

struct Slice {
  SliceKey key;
  std::vector<std::string> device_ids;
};

struct SliceFailure {
  int32_t index = 0;  // Into the slice's devices.
  int32_t code = 0;   // 404001, 412001, 400004
  std::string reason;
  std::string description;
};

struct SliceResult {
  bool is_applied = false;  // False: the permit had expired, nothing was committed.
  std::vector<SliceFailure> failures;
};

// Thread-safe.
class SliceStore {
 public:
  explicit SliceStore(postgres::Pool& pool) : pool_(pool) {}

  // Applies `edit` to the devices of each of `slices` (of one job; together at most kTwinsPerTransactionMax) in one
  // transaction that is not committed after `permit` on the database's clock. A slice whose key was applied before
  // changes nothing and gets its stored result. Gives one result per slice. Slices whose ids together do not ascend get
  // a transaction each. An error leaves open whether the commit happened: try the same keys again.
  absl::StatusOr<std::vector<SliceResult>> Apply(absl::Time deadline, std::span<const Slice> slices,
                                                 const TwinEdit& edit, std::string_view if_match, absl::Time permit);

  // Forgets results older than `age`, at most some thousand a call. Gives how many.
  absl::StatusOr<int64_t> Trim(absl::Time deadline, absl::Duration age);

 private:
  // What one Apply is about.
  struct Change {
    const TwinEdit& edit;
    const EtagCondition& condition;
    absl::Time permit;
  };

  absl::StatusOr<std::vector<SliceResult>> ApplyTogether(absl::Time deadline, std::span<const Slice> slices,
                                                         const Change& change);
  absl::StatusOr<std::vector<SliceResult>> ApplyNew(postgres::Transaction& transaction,
                                                    const std::vector<const Slice*>& slices, const Change& change);

  postgres::Pool& pool_;
  MergeWriter merges_;
};

}  // namespace fleetcast::twin
