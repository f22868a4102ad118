// The device ids of one chunk, packed: a million of them may wait for days.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fleetcast::scheduler {

// A value; costs the bytes of the ids and four more for each.
class DeviceNames {
 public:
  DeviceNames() = default;
  explicit DeviceNames(const std::vector<std::string>& ids) {
    size_t bytes = 0;
    for (const std::string& id : ids) bytes += id.size();
    text_.reserve(bytes);
    ends_.reserve(ids.size());
    for (const std::string& id : ids) {
      text_ += id;
      ends_.push_back(static_cast<uint32_t>(text_.size()));
    }
  }

  // Precondition: 0 <= position < size().
  std::string_view operator[](int position) const {
    const auto index = static_cast<size_t>(position);
    const uint32_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(text_).substr(begin, ends_[index] - begin);
  }
  int size() const { return static_cast<int>(ends_.size()); }

 private:
  std::string text_;
  std::vector<uint32_t> ends_;
};

}  // namespace fleetcast::scheduler
