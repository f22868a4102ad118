#include "services/mqtt_edge/connection/desired_feed.h"

#include <algorithm>

#include "libs/base/seeded_bug.h"

namespace fleetcast::mqtt_edge {

bool DesiredFeed::Subscribed(int64_t version) {
  if (state_ == State::kActive) return false;
  sent_version_ = version;
  const bool has_read_older = read_version_ > 0 && version > read_version_;
  const bool has_missed_change = seen_version_ > version;
  state_ = has_read_older || has_missed_change ? State::kCatchingUp : State::kActive;
  return state_ == State::kCatchingUp;
}

void DesiredFeed::Unsubscribed() {
  state_ = State::kOff;
  sent_version_ = 0;
  seen_version_ = 0;
}

DesiredFeed::CatchUp DesiredFeed::OnDocument(int64_t version) {
  if (state_ != State::kCatchingUp) return CatchUp::kSkip;
  if (version < seen_version_) return CatchUp::kReadAgain;
  state_ = State::kActive;
  sent_version_ = version;
  return version > read_version_ ? CatchUp::kSend : CatchUp::kSkip;
}

DesiredFeed::Verdict DesiredFeed::OnChange(int64_t version) {
  switch (state_) {
    case State::kOff: return Verdict::kSkip;
    case State::kPending:
    case State::kCatchingUp: seen_version_ = std::max(seen_version_, version); return Verdict::kSkip;
    case State::kActive: break;
  }
  if (IsSeeded(SeededBug::kNotifyWithoutOrder)) return Verdict::kSend;
  if (IsSeeded(SeededBug::kDropNotification) && version % 5 == 0) return sent_version_ = version, Verdict::kSkip;
  if (sent_version_ > 0 && version <= sent_version_) return Verdict::kSkip;
  if (sent_version_ > 0 && version != sent_version_ + 1) return Verdict::kGap;
  sent_version_ = version;
  return Verdict::kSend;
}

}  // namespace fleetcast::mqtt_edge
