#include "tools/fleetcast/progress.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/strings.h"

namespace fleetcast::cli {
namespace {

constexpr int kBarMax = 30;
constexpr int kBarMin = 8;

std::string Bar(double share, int width) {
  const int filled = std::clamp(static_cast<int>(std::floor(share * width)), 0, width);
  std::string bar(static_cast<size_t>(width), '.');
  std::fill_n(bar.begin(), filled, '=');
  if (filled > 0 && filled < width) bar[static_cast<size_t>(filled) - 1] = '>';
  return absl::StrCat("[", bar, "]");
}

}  // namespace

std::string GroupDigits(int64_t number) {
  std::string text = absl::StrCat(number < 0 ? -number : number);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
  return number < 0 ? "-" + text : text;
}

void ProgressMeter::Update(const Counts& counts, absl::Duration now) {
  counts_ = counts;
  samples_.push_back({now, counts.done});
  while (samples_.size() > 2 && now - samples_[1].time >= kWindow) samples_.pop_front();
}

double ProgressMeter::rate() const {
  if (samples_.size() < 2) return 0;
  const double seconds = absl::ToDoubleSeconds(samples_.back().time - samples_.front().time);
  return seconds <= 0 ? 0 : static_cast<double>(samples_.back().done - samples_.front().done) / seconds;
}

absl::Duration ProgressMeter::remaining() const {
  const int64_t left = counts_.total - counts_.done;
  if (left <= 0) return absl::ZeroDuration();
  const double per_second = rate();
  return per_second <= 0 ? absl::InfiniteDuration() : absl::Seconds(static_cast<double>(left) / per_second);
}

std::string ProgressMeter::Line(std::string_view label, int width) const {
  const double share = counts_.total > 0 ? static_cast<double>(counts_.done) / static_cast<double>(counts_.total) : 0;
  std::string figures =
      absl::StrFormat("%s/%s  %3.0f%%", GroupDigits(counts_.done), GroupDigits(counts_.total), std::floor(share * 100));
  if (const double per_second = rate(); per_second > 0) {
    absl::StrAppend(&figures, "  ", GroupDigits(std::llround(per_second)), "/s");
  }
  if (const absl::Duration left = remaining(); left > absl::ZeroDuration() && left < absl::Hours(100)) {
    absl::StrAppend(&figures, "  ", absl::FormatDuration(absl::Ceil(left, absl::Seconds(1))), " left");
  }
  if (counts_.failures > 0) absl::StrAppend(&figures, "  ", GroupDigits(counts_.failures), " failed");
  if (counts_.device_errors > 0) {
    absl::StrAppend(&figures, "  ", GroupDigits(counts_.device_errors), " device errors");
  }

  const int space = width - static_cast<int>(label.size() + figures.size()) - 6;  // Two gaps, two brackets.
  std::string line = space >= kBarMin
                         ? absl::StrCat(Absl(label), "  ", Bar(share, std::min(space, kBarMax)), "  ", figures)
                         : absl::StrCat(Absl(label), "  ", figures);
  if (static_cast<int>(line.size()) > width) line.resize(static_cast<size_t>(std::max(width, 0)));
  return line;
}

}  // namespace fleetcast::cli
