// What one loop has to say to one link: gathered during a turn, handed over at its end.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/mqtt_edge/hub_link.h"

namespace fleetcast::mqtt_edge {

// Not thread-safe: belongs to a loop.
class LinkOutbox {
 public:
  static constexpr absl::Duration kClosedKept = absl::Seconds(30);  // How long ended sessions are told again.
  static constexpr size_t kClosedMax = 10'000;
  static constexpr size_t kFrameBytesMax = 512 * 1024;  // A larger frame goes out before the turn ends.

  explicit LinkOutbox(HubLink* link);
  ~LinkOutbox();
  LinkOutbox(LinkOutbox&&) noexcept;

  bool is_attached() const { return is_attached_; }

  // The link stands: sessions that ended lately are told (again), since their end may have been lost.
  void OnAttached(uint64_t generation);
  // What was gathered is lost with the link; reports are not.
  void OnLost();

  // The frame being gathered. Call Grow after adding something that can be large.
  pb::AttachRequest& frame() { return *frame_; }
  void Grow(size_t bytes);

  void AddReport(CallReport report);
  void AddClosed(SessionId session, std::string_view device_id, int64_t epoch, absl::Duration now);

  // Hands over what was gathered.
  void Flush();

 private:
  struct Closed {
    absl::Duration time;
    SessionId session;
    std::string device_id;
    int64_t epoch;
  };

  HubLink* const link_;
  bool is_attached_ = false;
  bool is_dirty_ = false;
  uint64_t generation_ = 0;
  size_t bytes_ = 0;
  std::unique_ptr<pb::AttachRequest> frame_;
  std::vector<CallReport> reports_;
  std::deque<Closed> closed_;
};

}  // namespace fleetcast::mqtt_edge
