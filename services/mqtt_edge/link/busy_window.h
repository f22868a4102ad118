// Whether more happens than is worth to be handled one by one.
#pragma once

#include "absl/time/time.h"

namespace fleetcast::mqtt_edge {

// Counts in windows of kWindow: there is load while this window or the one right before it has `threshold` or more.
// Times are monotonic. Pure; not thread-safe.
class BusyWindow {
 public:
  static constexpr absl::Duration kWindow = absl::Milliseconds(10);

  explicit BusyWindow(int threshold) : threshold_(threshold) {}

  // Something happens now; whether there is load, this included.
  bool Count(absl::Duration now) {
    if (now >= window_end_) {
      was_busy_ = count_ >= threshold_ && now < window_end_ + kWindow;
      count_ = 0;
      window_end_ = now + kWindow;
    }
    return ++count_ >= threshold_ || was_busy_;
  }

 private:
  const int threshold_;
  absl::Duration window_end_ = -absl::InfiniteDuration();
  int count_ = 0;
  bool was_busy_ = false;  // In the window before this one.
};

}  // namespace fleetcast::mqtt_edge
