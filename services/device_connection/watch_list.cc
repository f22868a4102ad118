#include "services/device_connection/watch_list.h"

#include <algorithm>
#include <utility>

#include "libs/base/strings.h"

namespace fleetcast::device_connection {

bool WatchList::Add(DispatcherStream stream, const std::string& device_id) {
  size_t& count = counts_[stream];
  if (count >= kPerStreamMax) return false;
  std::vector<DispatcherStream>& streams = by_device_[device_id];
  if (std::find(streams.begin(), streams.end(), stream) != streams.end()) return true;
  streams.push_back(stream);
  ++count;
  return true;
}

void WatchList::Remove(DispatcherStream stream, std::string_view device_id) {
  const auto found = by_device_.find(Absl(device_id));
  if (found == by_device_.end() || std::erase(found->second, stream) == 0) return;
  if (found->second.empty()) by_device_.erase(found);
  --counts_[stream];
}

void WatchList::RemoveStream(DispatcherStream stream) {
  absl::erase_if(by_device_, [stream](auto& entry) {
    std::erase(entry.second, stream);
    return entry.second.empty();
  });
  counts_.erase(stream);
}

std::vector<DispatcherStream> WatchList::Take(std::string_view device_id) {
  const auto found = by_device_.find(Absl(device_id));
  if (found == by_device_.end()) return {};
  std::vector<DispatcherStream> streams = std::move(found->second);
  by_device_.erase(found);
  for (const DispatcherStream stream : streams) --counts_[stream];
  return streams;
}

}  // namespace fleetcast::device_connection
