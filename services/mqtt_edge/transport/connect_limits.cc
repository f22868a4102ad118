#include "services/mqtt_edge/transport/connect_limits.h"

#include <algorithm>

namespace fleetcast::mqtt_edge {

void TokenBucket::Fill(const Rate& rate, absl::Duration now) {
  tokens_ = std::min(rate.burst, tokens_ + absl::ToDoubleSeconds(now - filled_at_) * rate.rate);
  filled_at_ = now;
}

bool TokenBucket::TryTake(const Rate& rate, absl::Duration now) {
  if (rate.rate <= 0) return true;
  Fill(rate, now);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

absl::Duration TokenBucket::UntilToken(const Rate& rate, absl::Duration now) {
  if (rate.rate <= 0) return absl::ZeroDuration();
  Fill(rate, now);
  return tokens_ >= 1 ? absl::ZeroDuration() : absl::Seconds((1 - tokens_) / rate.rate);
}

bool TokenBucket::IsFull(const Rate& rate, absl::Duration now) {
  Fill(rate, now);
  return tokens_ >= rate.burst;
}

bool SourceLimits::TryConnect(const PeerAddress& source, absl::Duration now) {
  if (rate_.rate <= 0) return true;
  auto known = sources_.find(source);
  if (known == sources_.end()) {
    if (sources_.size() >= kSourcesMax) {
      absl::erase_if(sources_, [&](auto& entry) { return entry.second.IsFull(rate_, now); });
    }
    if (sources_.size() >= kSourcesMax) return false;
    known = sources_.emplace(source, TokenBucket(rate_, now)).first;
  }
  return known->second.TryTake(rate_, now);
}

}  // namespace fleetcast::mqtt_edge
