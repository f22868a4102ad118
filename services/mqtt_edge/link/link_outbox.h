// What one loop has to say to one link: gathered during a turn, handed over at its end; under load, and reports on
// calls (report_gather.h), also later.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/mqtt_edge/link/busy_window.h"
#include "services/mqtt_edge/link/hub_link.h"
#include "services/mqtt_edge/link/report_gather.h"

namespace fleetcast::mqtt_edge {

// Not thread-safe: belongs to a loop.
class LinkOutbox {
 public:
  static constexpr absl::Duration kClosedKept = absl::Seconds(30);  // How long ended sessions are told again.
  static constexpr size_t kClosedMax = 10'000;
  static constexpr size_t kFrameBytesMax = 512 * 1024;  // A larger frame goes out before the turn ends.
  // A frame costs every hop the wake-up of a thread: when this many turns of a BusyWindow have one, each waits this
  // long for company.
  static constexpr int kBusyFrames = 5;
  static constexpr absl::Duration kGather = absl::Milliseconds(4);

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
  void AddClosed(SessionId session, std::string_view device_id, int64_t epoch, absl::Duration now,
                 std::optional<uint32_t> session_expiry_seconds = {});

  // Monotonic time at which FlushDue has something to hand over; infinite when nothing was gathered.
  absl::Duration due() const { return std::min(frame_due_, reports_.due()); }
  // The end of a turn: hands over what was gathered, if something of it is due.
  void FlushDue(absl::Duration now) {
    if (is_dirty_ && frame_due_ == absl::InfiniteDuration()) frame_due_ = frames_.Count(now) ? now + kGather : now;
    if (now >= due()) Flush();
  }
  // Hands over everything that was gathered.
  void Flush();

 private:
  struct Closed {
    absl::Duration time;
    SessionId session;
    std::string device_id;
    int64_t epoch;
    std::optional<uint32_t> session_expiry_seconds;
  };

  static void Write(const Closed& closed, pb::AttachRequest& frame);

  HubLink* const link_;
  bool is_attached_ = false;
  bool is_dirty_ = false;
  uint64_t generation_ = 0;
  size_t bytes_ = 0;  // Of the frame, more or less.
  std::unique_ptr<pb::AttachRequest> frame_;
  absl::Duration frame_due_ = absl::InfiniteDuration();  // Since the end of the turn that began it.
  BusyWindow frames_{kBusyFrames};
  ReportGather reports_;
  std::deque<Closed> closed_;
};

}  // namespace fleetcast::mqtt_edge
