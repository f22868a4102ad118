#include "tests/sim/sim_twin.h"

#include <algorithm>
#include <utility>

namespace fleetcast::sim {

using scheduler::SliceResult;

// As in services/twin/twin_write_service.cc.
constexpr absl::Duration kPermitMax = absl::Seconds(11);

absl::Status SimTwin::StreamTargets(std::string_view condition, std::string_view after_device_id, std::stop_token,
                                    const std::function<absl::Status(std::vector<std::string> page)>& on_page) {
  if (!is_alive() || is_paused()) return absl::UnavailableError("simulated: no twin");
  const bool is_starved = options_.mutations.twin_starves_small_jobs && condition == "few";
  if (is_starved && universe_.random.Chance(990)) return absl::UnavailableError("a mistake");
  std::vector<std::string> page;
  for (const auto& [device_id, device] : devices_) {
    if (device_id <= after_device_id || (condition == "few" && device >= kFew)) continue;
    page.push_back(device_id);
    if (!universe_.random.Chance(20)) continue;
    if (options_.mutations.twin_skips_devices) page.pop_back();
    const absl::Status taken = on_page(std::exchange(page, {}));
    if (!taken.ok()) return taken;
    if (universe_.random.Chance(break_stream_per_mille)) return absl::UnavailableError("simulated: the stream broke");
  }
  return page.empty() ? absl::OkStatus() : on_page(std::move(page));
}

SliceResult SimTwin::Write(const Slice& slice) {
  SliceResult result{
      .chunk = slice.chunk, .slice = slice.slice, .disposition = SliceResult::Disposition::kApplied, .failures = {}};
  const std::tuple key{slice.chunk.job_seq, slice.chunk.chunk_no, slice.slice};
  const bool is_known = applied_.contains(key) && !options_.mutations.twin_ignores_keys;
  const absl::Time now = clock().Now();
  const bool is_permitted = now < slice.permit_end && slice.permit_end <= now + kPermitMax;
  if (!is_known && !is_permitted) {
    result.disposition = SliceResult::Disposition::kNotApplied;
  } else if (!is_known) {
    applied_.insert(key);
    const int64_t job = number_of_seq(slice.chunk.job_seq);
    for (const std::string& device_id : slice.device_ids) {
      const int device = devices_.at(device_id);
      history_.Target(job, device).twin_writes.push_back(universe_.queue.now());
      universe_.Note("twin written", job, device, slice.chunk.chunk_no, slice.slice);
      on_written(job, device);
    }
  }
  if (universe_.random.Chance(unknown_per_mille)) result.disposition = SliceResult::Disposition::kUnknown;
  return result;
}

int64_t SimTwin::RaiseGeneration(int64_t seen) {
  if (options_.mutations.hub_keeps_generation && generation_ > 0) return generation_;
  return generation_ = std::max(generation_, seen) + 1;
}

}  // namespace fleetcast::sim
