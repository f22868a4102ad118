// What one loop has to say to one link: gathered during a turn, handed over at its end; reports on calls also later
// (report_gather.h).
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/mqtt_edge/hub_link.h"
#include "services/mqtt_edge/report_gather.h"

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

  // The frame being gathered, and due. Call Grow after adding something.
  pb::AttachRequest& frame() { return *frame_; }
  void Grow(size_t bytes);

  void AddReport(CallReport report, absl::Duration now);
  void AddClosed(SessionId session, std::string_view device_id, int64_t epoch, absl::Duration now);

  // Monotonic time at which FlushDue has something to hand over; infinite when nothing was gathered.
  absl::Duration due() const { return is_dirty_ ? -absl::InfiniteDuration() : reports_.due(); }
  // Hands over what was gathered, if something of it is due.
  void FlushDue(absl::Duration now) {
    if (now >= due()) Flush();
  }
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
  size_t bytes_ = 0;  // Of the frame, more or less.
  std::unique_ptr<pb::AttachRequest> frame_;
  ReportGather reports_;
  std::deque<Closed> closed_;
};

}  // namespace fleetcast::mqtt_edge
