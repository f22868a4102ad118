// What the devices do with what they receive, and how restless ones wander.
#include "absl/strings/str_cat.h"
#include "tools/fleetsim/fleet.h"

namespace fleetcast::fleetsim {
namespace {

constexpr int kStored = 204;                                   // Status of a stored reported patch.
constexpr double kRenewAt = 0.75;                              // Of the token's lifetime.
constexpr absl::Duration kSecondAnswerMax = absl::Seconds(2);  // After the first.

}  // namespace

// Turns what one device tells into figures, log lines and answers.
class Fleet::Listener final : public DeviceListener {
 public:
  Listener(Fleet& fleet, uint32_t index) : fleet_(fleet), index_(index), slot_(fleet.slots_[index]) {}

  void OnConnected() override {
    slot_.state = State::kConnected;
    slot_.attempts = 0;
    --fleet_.figures_.connecting;
    ++fleet_.figures_.connected;
    ++fleet_.figures_.connects;
    if (slot_.connection->was_resumed()) ++fleet_.figures_.resumed;
    packets().Connection(fleet_.Here(index_), "accepted");
    fleet_.AddTimer(fleet_.profile_.keep_alive * kPingAt, index_, TimerKind::kPing);
    fleet_.AddTimer(fleet_.profile_.token_lifetime * kRenewAt, index_, TimerKind::kRenew);
    const absl::Duration restless = fleet_.options_.reconnect_every;
    if (restless > absl::ZeroDuration()) {
      fleet_.AddTimer(fleet_.Between(restless / 2, restless * 3 / 2), index_, TimerKind::kRestless);
    }
  }

  void OnRefused(mqtt::ConnectCode code) override {
    ++fleet_.figures_.refused;
    if (code != mqtt::ConnectCode::kServerUnavailable) ++fleet_.figures_.refused_for_good;
    packets().Connection(fleet_.Here(index_), "refused");
    fleet_.problem_ = absl::StrCat("the hub refused it with CONNACK ", static_cast<int>(code));
  }

  void OnSubscribed() override { packets().Connection(fleet_.Here(index_), "subscribed"); }

  void OnCall(std::string_view method, std::string_view request_id, std::string_view payload) override {
    ++fleet_.figures_.calls;
    if (fleet_.surroundings_.calls.is_open()) {
      fleet_.surroundings_.calls.Add(slot_.device.id(), method, request_id, fleet_.clock_.Now());
    }
    packets().Call(fleet_.Here(index_), method, request_id, payload);
    if (slot_.device.treatment() == Treatment::kIgnore) {
      ++fleet_.figures_.ignored;
    } else {
      fleet_.PlanAnswers(index_, request_id);
    }
    fleet_.last_call_ = std::string(request_id);
    fleet_.last_called_ = index_;
  }

  void OnDesired(int64_t version, std::string_view patch) override {
    ++fleet_.figures_.desired;
    packets().Desired(fleet_.Here(index_), version, patch);
  }
  void OnTwin(std::string_view document) override { packets().Twin(fleet_.Here(index_), document); }
  void OnReported() override { ++fleet_.figures_.reported; }
  void OnReportAnswered(int status) override {
    ++(status == kStored ? fleet_.figures_.reports_stored : fleet_.figures_.reports_refused);
  }

 private:
  PacketLog& packets() { return fleet_.surroundings_.packets; }

  Fleet& fleet_;
  const uint32_t index_;
  Slot& slot_;
};

PacketLog::Place Fleet::Here(uint32_t index) const {
  return {clock_.Now(), slots_[index].device.id(), slots_[index].connection_number};
}

void Fleet::ReadFrom(uint32_t index) {
  Slot& slot = slots_[index];
  Listener listener(*this, index);
  for (bool may_be_more = true; may_be_more;) {
    const ssize_t count = slot.connection->Read(buffer_);
    if (count == 0) break;
    may_be_more = slot.connection->is_tls() || static_cast<size_t>(count) == buffer_.size();
    if (count < 0 || !slot.device.Receive({buffer_.data(), static_cast<size_t>(count)}, listener, &slot.out)) {
      Close(index, /*lost=*/true);
      return;
    }
  }
}

void Fleet::PlanAnswers(uint32_t index, std::string_view request_id) {
  const uint32_t generation = slots_[index].generation;
  const auto plan = [&](absl::Duration at, bool is_first, std::string id) {
    answers_.push({at, ++answers_planned_, index, generation, is_first, std::move(id)});
  };
  const absl::Duration delay = Between(options_.method_delay, options_.method_delay_max);
  const absl::Duration at = now_ + delay;
  if (delay == absl::ZeroDuration()) {
    Answer({now_, ++answers_planned_, index, generation, true, std::string(request_id)});  // Goes out with the rest.
  } else {
    plan(at, true, std::string(request_id));
  }
  switch (QuirkOf(index % device_count_, options_.answer_twice_share, options_.lie_share)) {
    case Quirk::kNone: break;
    case Quirk::kAnswersTwice:
      plan(at + Between(absl::ZeroDuration(), kSecondAnswerMax), false, std::string(request_id));
      break;
    case Quirk::kLies:
      if (!last_call_.empty() && last_called_ != index) plan(now_, false, last_call_);
      break;
  }
}

void Fleet::SendDueAnswers() {
  while (!answers_.empty() && answers_.top().at <= now_) {
    const DelayedAnswer answer = answers_.top();
    answers_.pop();
    if (slots_[answer.slot].generation != answer.generation) continue;  // That connection is gone.
    Answer(answer);
    Flush(answer.slot);
  }
}

void Fleet::Answer(const DelayedAnswer& answer) {
  Slot& slot = slots_[answer.slot];
  std::string payload(slot.device.UsualPayload());
  if (options_.stamp_answers) {
    payload = absl::StrCat("{\"by\":\"", slot.device.id(), "\",\"connection\":", slot.connection_number,
                           ",\"answer\":", ++answers_sent_, "}");
  }
  const int status = slot.device.Answer(answer.request_id, payload, &slot.out);
  surroundings_.packets.Answer(Here(answer.slot), answer.request_id, status, payload);
  if (answer.is_first) ++(slot.device.treatment() == Treatment::kFail ? figures_.failed : figures_.answered);
}

void Fleet::Wander(uint32_t index) {
  Slot& slot = slots_[index];
  const uint32_t other = (index + static_cast<uint32_t>(device_count_)) % static_cast<uint32_t>(slots_.size());
  const bool can_stay = slot.is_active && slots_[other].connection == nullptr && random_.Below(2) == 0;
  if (!can_stay) {
    surroundings_.packets.Connection(Here(index), "dropped");
    return Close(index, /*lost=*/true);
  }
  surroundings_.packets.Connection(Here(index), "abandoned");
  slot.is_active = false;
  slots_[other].is_active = true;
  waiting_.push_front(other);
}

absl::Duration Fleet::Between(absl::Duration low, absl::Duration high) {
  if (high <= low) return low;
  return low + absl::Microseconds(random_.Below(static_cast<uint64_t>(absl::ToInt64Microseconds(high - low))));
}

}  // namespace fleetcast::fleetsim
