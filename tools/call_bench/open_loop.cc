#include "tools/call_bench/open_loop.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "libs/base/strings.h"

namespace fleetcast::call_bench {

OpenLoop::OpenLoop(double rate, double seconds, absl::Duration start)
    : rate_(rate),
      total_(std::max<int64_t>(1, static_cast<int64_t>(rate * seconds))),
      start_(start),
      milliseconds_(static_cast<size_t>(total_), -1.0F) {}

bool OpenLoop::End(int64_t number, absl::Duration now) {
  if (number < 0 || number >= begun_) return false;
  float& milliseconds = milliseconds_[static_cast<size_t>(number)];
  if (milliseconds >= 0) return false;
  milliseconds = static_cast<float>(std::max(0.0, absl::ToDoubleMilliseconds(now - IntendedTime(number))));
  ++ended_;
  return true;
}

std::string OpenLoop::Summary(std::string_view name) const {
  std::vector<float> sorted;
  std::copy_if(milliseconds_.begin(), milliseconds_.end(), std::back_inserter(sorted),
               [](float milliseconds) { return milliseconds >= 0; });
  if (sorted.empty()) sorted.push_back(0);
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&sorted](double share) {
    return sorted[std::min(sorted.size() - 1, static_cast<size_t>(share * static_cast<double>(sorted.size())))];
  };
  return absl::StrFormat(R"({"name":"%s","rate":%g,"calls":%d,"p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f})", Absl(name),
                         rate_, ended_, at(0.5), at(0.99), sorted.back());
}

}  // namespace fleetcast::call_bench
