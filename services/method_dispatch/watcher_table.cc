#include "services/method_dispatch/watcher_table.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "libs/base/check.h"

namespace fleetcast::method_dispatch {
namespace {

using SmallStream = uint32_t;
constexpr size_t kLengthAt = sizeof(SmallStream);
constexpr size_t kIdAt = kLengthAt + 1;

}  // namespace

WatcherTable::Entry WatcherTable::MakeEntry(std::string_view device_id, SchedulerStream stream) {
  FLEETCAST_CHECK(device_id.size() <= kIdBytesMax);
  Entry entry(new char[kIdAt + device_id.size()]);
  const auto small = static_cast<SmallStream>(stream);
  std::memcpy(entry.get(), &small, sizeof(small));
  entry[kLengthAt] = static_cast<char>(device_id.size());
  std::memcpy(entry.get() + kIdAt, device_id.data(), device_id.size());
  return entry;
}

std::string_view WatcherTable::IdOf(const Entry& entry) {
  return {entry.get() + kIdAt, static_cast<uint8_t>(entry[kLengthAt])};
}

SchedulerStream WatcherTable::StreamOf(const Entry& entry) {
  SmallStream stream;
  std::memcpy(&stream, entry.get(), sizeof(stream));
  return stream;
}

std::vector<SchedulerStream> WatcherTable::StreamsOf(DeviceSet::const_iterator device) const {
  if (device == devices_.end()) return {};
  const SchedulerStream stream = StreamOf(*device);
  if (stream != 0) return {stream};
  return several_.at(std::string(IdOf(*device)));
}

void WatcherTable::Store(std::string_view device_id, std::vector<SchedulerStream> streams) {
  several_.erase(std::string(device_id));
  if (const auto found = devices_.find(device_id); found != devices_.end()) devices_.erase(found);
  if (streams.empty()) return;
  const bool is_alone = streams.size() == 1 && streams[0] <= std::numeric_limits<SmallStream>::max();
  devices_.insert(MakeEntry(device_id, is_alone ? streams[0] : 0));
  if (!is_alone) several_.emplace(device_id, std::move(streams));
}

void WatcherTable::Add(std::string_view device_id, SchedulerStream stream) {
  std::vector<SchedulerStream> streams = StreamsOf(devices_.find(device_id));
  if (std::find(streams.begin(), streams.end(), stream) != streams.end()) return;
  streams.push_back(stream);
  Store(device_id, std::move(streams));
}

bool WatcherTable::Remove(std::string_view device_id, SchedulerStream stream) {
  std::vector<SchedulerStream> streams = StreamsOf(devices_.find(device_id));
  const auto own = std::find(streams.begin(), streams.end(), stream);
  if (own == streams.end()) return false;
  streams.erase(own);
  const bool was_last = streams.empty();
  Store(device_id, std::move(streams));
  return was_last;
}

std::vector<SchedulerStream> WatcherTable::Take(std::string_view device_id) {
  std::vector<SchedulerStream> streams = StreamsOf(devices_.find(device_id));
  if (!streams.empty()) Store(device_id, {});
  return streams;
}

std::vector<std::string> WatcherTable::Devices() const {
  std::vector<std::string> ids;
  ids.reserve(devices_.size());
  for (const Entry& entry : devices_) ids.emplace_back(IdOf(entry));
  return ids;
}

std::vector<std::string> WatcherTable::DevicesOf(SchedulerStream stream) const {
  std::vector<std::string> ids;
  for (auto device = devices_.begin(); device != devices_.end(); ++device) {
    const std::vector<SchedulerStream> streams = StreamsOf(device);
    if (std::find(streams.begin(), streams.end(), stream) != streams.end()) ids.emplace_back(IdOf(*device));
  }
  return ids;
}

}  // namespace fleetcast::method_dispatch
