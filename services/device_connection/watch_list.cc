#include "services/device_connection/watch_list.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "libs/base/strings.h"

namespace fleetcast::device_connection {
namespace {

uint64_t HashOf(std::string_view device_id) { return absl::HashOf(Absl(device_id)); }

}  // namespace

bool WatchList::Add(DispatcherStream stream, std::string_view device_id) {
  const Device device = HashOf(device_id);
  const auto first = first_.find(device);
  if (first != first_.end() && first->second == stream) return true;
  const auto others = more_.find(device);
  const bool is_known =
      others != more_.end() && std::find(others->second.begin(), others->second.end(), stream) != others->second.end();
  if (is_known) return true;
  size_t& count = counts_[stream];
  if (count >= per_stream_max_) return false;
  ++count;
  if (first == first_.end()) {
    first_[device] = stream;
  } else {
    more_[device].push_back(stream);
  }
  return true;
}

void WatchList::Remove(DispatcherStream stream, std::string_view device_id) {
  const Device device = HashOf(device_id);
  const auto first = first_.find(device);
  if (first == first_.end()) return;
  const auto more = more_.find(device);
  if (more == more_.end()) {
    if (first->second != stream) return;
    first_.erase(first);
  } else if (first->second == stream) {
    first->second = more->second.back();
    more->second.pop_back();
  } else if (std::erase(more->second, stream) == 0) {
    return;
  }
  if (more != more_.end() && more->second.empty()) more_.erase(more);
  --counts_[stream];
}

void WatchList::RemoveStream(DispatcherStream stream) {
  absl::erase_if(more_, [stream](auto& entry) {
    std::erase(entry.second, stream);
    return entry.second.empty();
  });
  absl::erase_if(first_, [&](auto& entry) {
    if (entry.second != stream) return false;
    const auto more = more_.find(entry.first);
    if (more == more_.end()) return true;
    entry.second = more->second.back();
    more->second.pop_back();
    if (more->second.empty()) more_.erase(more);
    return false;
  });
  counts_.erase(stream);
}

std::vector<DispatcherStream> WatchList::Take(std::string_view device_id) {
  const Device device = HashOf(device_id);
  const auto first = first_.find(device);
  if (first == first_.end()) return {};
  std::vector<DispatcherStream> streams = {first->second};
  first_.erase(first);
  if (const auto more = more_.find(device); more != more_.end()) {
    streams.insert(streams.end(), more->second.begin(), more->second.end());
    more_.erase(more);
  }
  for (const DispatcherStream stream : streams) --counts_[stream];
  return streams;
}

}  // namespace fleetcast::device_connection
