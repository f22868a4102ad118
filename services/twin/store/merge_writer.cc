#include "services/twin/store/merge_writer.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "services/twin/store/merge_sql.h"

namespace fleetcast::twin {
namespace {

using postgres::Result;
using postgres::Statement;
using postgres::Transaction;

// Shapes of patches whose statements stay prepared on each session.
constexpr size_t kPreparedMax = 64;

// A bitmap or a sequential scan would lock in the order of pages.
constexpr Statement kPlanByKey{"twin_plan_by_key",
                               "SELECT clock_timestamp() AS now, set_config('enable_bitmapscan', 'off', true), "
                               "set_config('enable_seqscan', 'off', true)"};

int NextInstance() {
  static std::atomic<int> count = 0;
  return ++count;
}

// The ascending `device_ids` without those in `written`.
std::vector<std::string> Without(const std::vector<std::string>& device_ids, std::vector<std::string> written) {
  std::sort(written.begin(), written.end());
  std::vector<std::string> others;
  std::set_difference(device_ids.begin(), device_ids.end(), written.begin(), written.end(), std::back_inserter(others));
  return others;
}

}  // namespace

MergeWriter::MergeWriter() : instance_(NextInstance()) {}

absl::StatusOr<absl::Time> MergeWriter::PlanByKey(Transaction& transaction) {
  FLEETCAST_ASSIGN_OR_RETURN(const Result planned, transaction.Run(kPlanByKey));
  return planned[0].Get<absl::Time>("now");
}

std::string MergeWriter::NameOf(const std::string& sql) {
  MutexLock lock(mutex_);
  const auto found = names_.find(sql);
  if (found != names_.end()) return found->second;
  if (names_.size() >= kPreparedMax) return "";
  return names_[sql] = absl::StrCat("twin_merge_", instance_, "_", names_.size());
}

absl::StatusOr<std::vector<std::string>> MergeWriter::Merge(Transaction& transaction,
                                                            const std::vector<std::string>& device_ids,
                                                            const TwinEdit& edit, const EtagCondition& condition,
                                                            absl::Time now) {
  const std::optional<MergeSql> sql =
      CompileMerge(edit, device_ids, condition, {.now = now, .usual_version = usual_version_.load()});
  if (!sql.has_value() || device_ids.empty()) return device_ids;
  const std::string name = NameOf(sql->text);
  FLEETCAST_ASSIGN_OR_RETURN(const Result rows,
                             name.empty() ? transaction.ExecuteSql(sql->text, sql->params)
                                          : transaction.Execute({name.c_str(), sql->text.c_str()}, sql->params));
  const postgres::Row row = rows[0];
  if (row.Get<int64_t>("changed") == 0) return device_ids;
  if (edit.desired.has_value()) usual_version_ = row.Get<int64_t>("version") - 1;
  const auto written = row.Get<std::optional<std::vector<std::string>>>("device_ids");
  if (!written.has_value()) return std::vector<std::string>();
  return Without(device_ids, *written);
}

}  // namespace fleetcast::twin
