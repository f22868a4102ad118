#include "tests/fuzz/connection_play.h"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>

#include "libs/base/check.h"
#include "libs/mqtt/messages.h"
#include "services/mqtt_edge/connection/connection_harness.h"
#include "tests/fuzz/connection_oracle.h"
#include "tests/fuzz/connection_script.h"
#include "tests/fuzz/memory_meter.h"

namespace fleetcast::fuzz {
namespace {

using mqtt_edge::Connection;
using mqtt_edge::Turn;

constexpr int64_t kEpoch = 7;
constexpr uint64_t kFirstCall = 0x10;
// Fewer than a connection remembers, whatever ends in between (ConnectionLimits::ended_calls_max).
constexpr int kRepeatedCalls = 8;
// Twice what the limits of a connection add up to (backlog, calls that wait, patches, bytes that were held back),
// since texts grow by doubling; and what this program holds itself.
constexpr ptrdiff_t kHeldMax = 2 * (512 * 1024 + 16 * 33 * 1024 + 64 * 1024 + 512 * 1024) + 512 * 1024;

const mqtt_edge::EdgeMetrics& Metrics() {
  static auto* const registry = new telemetry::Metrics;
  static const auto* const metrics = new mqtt_edge::EdgeMetrics(*registry);
  return *metrics;
}

// Endings with an honest hub are compared, so they must not depend on when a device is read.
mqtt_edge::ConnectionLimits LimitsFor(bool hub_is_honest) {
  mqtt_edge::ConnectionLimits limits;
  if (hub_is_honest) limits.messages = limits.bytes = limits.twin_requests = limits.subscribes = {};
  return limits;
}

class Player {
 public:
  Player(std::string_view script, Cut cut)
      : script_(script), cut_(cut), held_at_start_(HeldBytes()), is_honest_(!script.empty() && (script[0] & 1) != 0) {
    const uint8_t bits = script_.Byte();
    oracle_.emplace(is_honest_);
    stored_ = script_.Byte() & 0x1f;
    if ((bits & 4) != 0) Connect(60, (bits & 2) != 0 ? 1 : (bits & 8) != 0 ? kLevel5Oddity : 0);
  }

  Ending Finish() {
    while (!script_.at_end()) {
      Take(script_.NextStep());
      FLEETCAST_CHECK(HeldBytes() - held_at_start_ <= kHeldMax);
    }
    oracle_->Finish(connection_.is_closed());
    return {is_honest_,
            connection_.state(),
            connection_.close_reason(),
            connection_.subscriptions(),
            oracle_->pubacks(),
            oracle_->subacks(),
            oracle_->publishes(),
            oracle_->others(),
            asked_};
  }

 private:
  void Take(Step step) {
    switch (step) {
      case Step::kBytes: return DeviceSends(script_.Bytes());
      case Step::kConnect: return TakeConnect();
      case Step::kFilters: return TakeFilters();
      case Step::kAnswer: return TakeAnswer();
      case Step::kTwinRead: return TakeTwinRead();
      case Step::kPatch: return TakePatch();
      case Step::kTelemetry: return TakeTelemetry();
      case Step::kSmall: return TakeSmall();
      case Step::kCall: return TakeCall(next_call_++);
      case Step::kRepeat: return TakeCall(RecentCall());
      case Step::kDesired: return TakeDesired();
      case Step::kOrder: return TakeOrder();
      case Step::kLinkLost: return TakeLinkLost();
      case Step::kLinkUp: return TakeLinkUp();
      case Step::kTime: return TakeTime();
      case Step::kBlocked: return TakeBlocked();
      case Step::kDrained: return TakeDrained();
      case Step::kOpened:
      case Step::kSaved:
      case Step::kRead:
      case Step::kPatched:
      case Step::kTaken:
        if (!is_honest_) TakeHubAnswer(step, script_.Byte());
        return;
      case Step::kCount: return;
    }
  }

  // The device.

  static constexpr int kLevel5Oddity = 16;

  void Connect(int keep_alive, int oddities) {
    mqtt::Connect connect = mqtt_edge::Harness::NodeConnect();
    connect.keep_alive_seconds = static_cast<uint16_t>(keep_alive);
    connect.clean_session = (oddities & 1) != 0;
    if ((oddities & 2) != 0) connect.will = mqtt::Will{"devices/dev-1/messages/events/", "gone", 1, true};
    if ((oddities & 4) != 0) connect.will = mqtt::Will{"devices/dev-2/messages/events/", "gone", 0, false};
    if ((oddities & 8) != 0) connect.client_id = "dev-2";
    if ((oddities & kLevel5Oddity) != 0) connect.level = mqtt::kLevel5;
    if ((oddities & 32) != 0) connect.level = 3;
    if ((oddities & 64) != 0) connect.username = connect.password = std::nullopt;
    if ((oddities & 128) != 0) connect.client_id = "";
    level_ = connect.level;
    Send(connect);
  }

  // In the form of the level that was connected with last.
  template <typename Packet>
  void Send(const Packet& packet) {
    std::string bytes;
    mqtt::Encode(packet, &bytes, level_ == mqtt::kLevel5 ? mqtt::kLevel5 : mqtt::kLevel311);
    DeviceSends(bytes);
  }
  void Publish(const std::string& topic, std::string_view payload, std::optional<uint16_t> packet_id) {
    Send(mqtt::Publish{.qos = packet_id.has_value() ? uint8_t{1} : uint8_t{0},
                       .packet_id = packet_id.value_or(0),
                       .topic = topic,
                       .payload = payload});
  }

  uint16_t PacketId() { return static_cast<uint16_t>(script_.Byte() + 1); }
  uint64_t RecentCall() {
    const uint64_t back = script_.Byte() % kRepeatedCalls;
    return std::max(kFirstCall, next_call_ - 1 - back);
  }

  void TakeConnect() {
    const int keep_alive = script_.Byte();
    Connect(keep_alive, script_.Byte());
  }
  void TakeFilters() {
    const int bits = script_.Byte();
    static const std::string kMessages = mqtt::MessagesFilter("dev-1");
    const std::string_view filters[] = {mqtt::kMethodsFilter, mqtt::kTwinResponsesFilter, mqtt::kDesiredFilter,
                                        kMessages};
    mqtt::Subscribe subscribe{PacketId(), {}};
    mqtt::Unsubscribe unsubscribe{subscribe.packet_id, {}};
    const auto add = [&](std::string_view filter) {
      subscribe.subscriptions.push_back({filter, static_cast<uint8_t>(bits >> 4 & 1)});
      unsubscribe.filters.push_back(filter);
    };
    for (int i = 0; i < 4; ++i) {
      if ((bits >> i & 1) != 0) add(filters[i]);
    }
    if ((bits & 0x40) != 0) add("devices/other/#");
    if (subscribe.subscriptions.empty()) return;
    if ((bits & 0x80) != 0) return Send(unsubscribe);
    Send(subscribe);
  }
  std::optional<uint16_t> MaybePacketId() {
    const bool at_qos1 = (script_.Byte() & 1) != 0;
    const uint16_t packet_id = PacketId();
    return at_qos1 ? std::optional<uint16_t>(packet_id) : std::nullopt;
  }
  void TakeAnswer() {
    const std::string rid = mqtt::FormatCallId(RecentCall());
    Publish("$iothub/methods/res/200/?$rid=" + rid, "{}", MaybePacketId());
  }
  void TakeTwinRead() { Publish("$iothub/twin/GET/?$rid=" + std::to_string(next_request_++), "", MaybePacketId()); }
  void TakePatch() {
    const std::string patch(size_t{script_.Byte()} * 256, 'p');
    Publish("$iothub/twin/PATCH/properties/reported/?$rid=" + std::to_string(next_request_++), patch, MaybePacketId());
  }
  void TakeTelemetry() {
    const int bits = script_.Byte();
    const uint16_t packet_id = PacketId();
    const auto qos = static_cast<uint8_t>(bits % 3);
    Send(mqtt::Publish{.dup = qos > 0 && (bits & 8) != 0,
                       .retain = (bits & 16) != 0,
                       .qos = qos,
                       .packet_id = qos > 0 ? packet_id : uint16_t{0},
                       .topic = "devices/dev-1/messages/events/a=b",
                       .payload = "x"});
  }
  void TakeSmall() {
    switch (script_.Byte() % 8) {
      case 0: return Send(mqtt::Disconnect{});
      case 1: return Send(mqtt::Puback{3});
      default: return Send(mqtt::Pingreq{});
    }
  }

  void DeviceSends(std::string_view bytes) {
    oracle_->Sent(bytes);
    while (!bytes.empty()) {
      const std::string_view piece = bytes.substr(0, PieceLength(cut_, bytes));
      bytes.remove_prefix(piece.size());
      In([&](Turn& turn) { connection_.OnBytes(piece, turn); });
    }
    if (is_honest_) Settle();
  }

  // The hub.

  void TakeCall(uint64_t call_id) {
    const std::string payload(std::min<size_t>(script_.Byte(), 128) * 1024, '1');
    const int bits = script_.Byte();
    const mqtt_edge::MethodCall call = {.call_id = call_id,
                                        .epoch = !is_honest_ && (bits & 0x80) != 0 ? kEpoch - 1 : kEpoch,
                                        .method = "lockDoor",
                                        .payload = payload,
                                        .permit_expire = wall_ + absl::Seconds(bits & 0x1f),
                                        .answer_deadline = wall_ + absl::Seconds(30),
                                        .link = 0};
    In([&](Turn& turn) { connection_.OnMethodCall(call, turn); });
  }
  void TakeDesired() {
    desired_version_ += is_honest_ ? 1 : static_cast<int8_t>(script_.Byte());
    if (is_honest_ && hub_.link == mqtt_edge::kNoLink) return;  // The connection cannot hear of it.
    const std::string patch = R"({"$version":)" + std::to_string(desired_version_) + "}";
    In([&](Turn& turn) { connection_.OnDesiredChange(kEpoch, desired_version_, patch, turn); });
    if (is_honest_) Settle();
  }
  void TakeOrder() {
    const int64_t epoch = script_.Byte() == 0 ? kEpoch : kEpoch - 1;
    In([&](Turn& turn) { connection_.OnDisconnectOrder(epoch, turn); });
  }
  void TakeLinkLost() {
    if (hub_.link == mqtt_edge::kNoLink) return;
    hub_.link = mqtt_edge::kNoLink;
    opens_ = 0;
    changes_.clear();
    reads_.clear();
    patches_.clear();
    In([&](Turn& turn) { connection_.OnLinkLost(0, turn); });
  }
  void TakeLinkUp() {
    if (hub_.link != mqtt_edge::kNoLink) return;
    hub_.link = 0;
    In([&](Turn& turn) { connection_.OnLinkAttached(turn); });
    if (!is_honest_) return;
    // The session is announced again, and the hub says what is stored.
    In([&](Turn& turn) {
      connection_.OnSubscriptionsSaved(connection_.subscriptions(), false, desired_version_, turn);
    });
    Settle();
  }

  // Answers of a hub that says what it likes, asked or not.
  void TakeHubAnswer(Step step, uint8_t what) {
    switch (step) {
      case Step::kOpened: return Opened(static_cast<mqtt::ConnectCode>(what % 6));
      case Step::kSaved:
        return Saved(what < 2 ? TakeFirst(&changes_, mqtt_edge::Subscriptions{what}) : what & 0x1f, what == 1);
      case Step::kRead: return Read(what % 3 == 0 ? 200 : what % 3 == 1 ? 404 : 503);
      case Step::kPatched: return Patched(what % 3 == 0 ? 204 : what % 3 == 1 ? 400 : 412);
      default: return Taken(std::max(kFirstCall, next_call_ - 1 - what % kRepeatedCalls));
    }
  }

  // Answers of an honest hub, until it owes none.
  void Settle() {
    for (;;) {
      if (opens_ > 0) {
        Opened(mqtt::ConnectCode::kAccepted);
      } else if (!changes_.empty()) {
        Saved(TakeFirst(&changes_, mqtt_edge::Subscriptions{0}), false);
      } else if (!reads_.empty()) {
        Read(200);
      } else if (!patches_.empty()) {
        Patched(204);
      } else if (!taken_.empty()) {
        Taken(TakeFirst(&taken_, uint64_t{0}));
      } else {
        return;
      }
    }
  }

  template <typename T>
  static T TakeFirst(std::deque<T>* queue, T otherwise) {
    if (queue->empty()) return otherwise;
    T first = std::move(queue->front());
    queue->pop_front();
    return first;
  }

  void Opened(mqtt::ConnectCode code) {
    opens_ = 0;
    const mqtt_edge::OpenResult result = {code, kEpoch, stored_, stored_ != 0, wall_ + absl::Seconds(600)};
    In([&](Turn& turn) { connection_.OnOpenResult(result, turn); });
  }
  void Saved(mqtt_edge::Subscriptions saved, bool failed) {
    In([&](Turn& turn) { connection_.OnSubscriptionsSaved(saved, failed, desired_version_, turn); });
  }
  void Read(int status) {
    const std::string request = TakeFirst(&reads_, std::string("none"));
    const std::string document =
        R"({"desired":{"$version":)" + std::to_string(desired_version_) + R"(},"reported":{"$version":1}})";
    In([&](Turn& turn) {
      connection_.OnTwinRead(request, status, status == 200 ? document : "{}", desired_version_, turn);
    });
  }
  void Patched(int status) {
    const std::string request = TakeFirst(&patches_, std::string("none"));
    In([&](Turn& turn) { connection_.OnReportedPatched(request, status, 5, R"({"errorCode":400000})", turn); });
  }
  void Taken(uint64_t call_id) {
    In([&](Turn& turn) { connection_.OnAnswerTaken(call_id, turn); });
  }

  // The world.

  void TakeTime() {
    const absl::Duration passed = absl::Seconds(script_.Byte());
    now_ += passed;
    wall_ += passed;
    In([&](Turn& turn) { connection_.OnTimer(turn); });
    FLEETCAST_CHECK(connection_.NextDeadline() > now_);  // Else the loop would spin.
    if (is_honest_) Settle();
  }
  void TakeBlocked() {
    if (is_blocked_) return;
    is_blocked_ = true;
    backlog_ = 1;
    In([&](Turn& turn) { connection_.OnBlocked(turn); });
  }
  void TakeDrained() {
    if (!is_blocked_) return;
    is_blocked_ = false;
    backlog_ = 0;
    In([&](Turn& turn) { connection_.OnDrained(turn); });
  }

  template <typename Call>
  void In(Call call) {
    const bool was_closed = connection_.is_closed();
    Turn turn{.now = now_,
              .wall = wall_,
              .backlog_bytes = backlog_,
              .output = &output_,
              .effects = &hub_,
              .metrics = &Metrics(),
              .random = &random_};
    call(turn);
    if (is_blocked_) {
      backlog_ += output_.size();
      FLEETCAST_CHECK(connection_.is_closed() || backlog_ <= limits_.backlog_bytes_max + 4 /* CONNACK */);
    }
    oracle_->Wrote(std::exchange(output_, {}), was_closed);
    HearHub(was_closed);
  }

  // What the connection asked of the hub, and told it.
  void HearHub(bool was_closed) {
    mqtt_edge::RecordingEffects heard = std::exchange(hub_, {});
    hub_.link = heard.link;
    for (const auto& open : heard.opens) {
      if (open.renewed_epoch == 0) oracle_->Opened(was_closed);  // Else a new token for the same session.
      FLEETCAST_CHECK(!open.device_id.empty());
      ++opens_;
    }
    for (const auto& change : heard.changes) changes_.push_back(change.subscriptions);
    for (std::string& read : heard.reads) {
      if (read[0] != '\0') Digest(read, &asked_[0]);  // Else the edge's own, to catch up.
      reads_.push_back(std::move(read));
    }
    for (auto& patch : heard.patches) {
      Digest(patch.request_id, &asked_[1]);
      Digest(patch.patch, &asked_[1]);
      patches_.push_back(std::move(patch.request_id));
    }
    FLEETCAST_CHECK(heard.abandoned.empty() || (!was_closed && connection_.is_closed()));
    for (const int64_t epoch : heard.closed_epochs) {
      FLEETCAST_CHECK(epoch == kEpoch);
      oracle_->EndedSession(was_closed);
    }
    for (const mqtt_edge::CallReport& report : heard.reports) {
      oracle_->Reported(report, was_closed);
      Digest(std::to_string(report.call_id) + "," + std::to_string(static_cast<int>(report.kind)), &asked_[2]);
      if (report.waits) taken_.push_back(report.call_id);
    }
  }

  Script script_;
  const Cut cut_;
  const ptrdiff_t held_at_start_;
  const bool is_honest_;
  mqtt_edge::Subscriptions stored_ = 0;
  std::optional<ConnectionOracle> oracle_;
  absl::Duration now_ = absl::Hours(1);
  absl::Time wall_ = absl::FromUnixSeconds(1'800'000'000);
  const mqtt_edge::ConnectionLimits limits_ = LimitsFor(is_honest_);
  mqtt_edge::FixedRandom random_;
  mqtt_edge::RecordingEffects hub_;
  std::string output_;
  Connection connection_{limits_, now_};

  uint8_t level_ = mqtt::kLevel311;
  bool is_blocked_ = false;
  size_t backlog_ = 0;
  uint64_t next_call_ = kFirstCall;
  int next_request_ = 1;
  int64_t desired_version_ = 1;
  // What the hub owes an answer to.
  int opens_ = 0;
  std::deque<mqtt_edge::Subscriptions> changes_;
  std::deque<std::string> reads_;
  std::deque<std::string> patches_;
  std::deque<uint64_t> taken_;
  std::array<uint64_t, 3> asked_{};
};

}  // namespace

Ending Play(std::string_view script, Cut cut) { return Player(script, cut).Finish(); }

bool IsAlike(const Ending& a, const Ending& b) {
  const bool is_open = a.state != Connection::State::kClosed;
  const bool subacks_agree = is_open ? a.subacks == b.subacks && a.subscriptions == b.subscriptions
                                     : IsPrefix(a.subacks, b.subacks) || IsPrefix(b.subacks, a.subacks);
  return subacks_agree && a.state == b.state && a.close_reason == b.close_reason && a.pubacks == b.pubacks &&
         a.publishes == b.publishes && a.others == b.others && a.hub == b.hub;
}

}  // namespace fleetcast::fuzz
