#include "tools/fleetsim/device.h"

#include "absl/strings/str_cat.h"
#include "libs/auth/sas_token.h"
#include "libs/json/json.h"
#include "libs/mqtt/messages.h"
#include "libs/mqtt/topics.h"
#include "libs/mqtt/username.h"

namespace fleetcast::fleetsim {
namespace {

constexpr std::string_view kApiVersion = "2021-04-12";
constexpr std::string_view kProduct = "fleetsim";
constexpr std::string_view kTwinReadId = "twin";  // The one request whose answer is a document.
constexpr int kOk = 200;
constexpr int kFailed = 500;

}  // namespace

Device::Device(const Profile& profile, int64_t index, std::string id, auth::Key key)
    : profile_(profile),
      id_(std::move(id)),
      key_(std::move(key)),
      treatment_(TreatmentOf(index, profile.ignore_share, profile.fail_share)) {}

void Device::Connect(absl::Time now, std::string* out) {
  reader_ = mqtt::PacketReader();
  connected_ = false;
  ping_open_ = false;
  const std::string username = mqtt::FormatUsername(profile_.hub_name, id_, kApiVersion, kProduct);
  const std::string password =
      auth::MakeSasToken(absl::StrCat(profile_.hub_name, "/devices/", id_), key_, now + profile_.token_lifetime);
  mqtt::Connect packet;
  packet.clean_session = profile_.clean_session;
  packet.keep_alive_seconds = static_cast<uint16_t>(absl::ToInt64Seconds(profile_.keep_alive));
  packet.client_id = id_;
  packet.username = username;
  packet.password = password;
  mqtt::Encode(packet, out);
}

bool Device::Receive(std::string_view input, DeviceListener& listener, std::string* out) {
  mqtt::Packet packet;
  while (true) {
    const mqtt::PacketReader::Result result = reader_.Next(mqtt::kClientLimits, &input, &packet);
    if (result == mqtt::PacketReader::Result::kNeedMore) return true;
    if (result == mqtt::PacketReader::Result::kViolation || !OnPacket(packet, listener, out)) return false;
  }
}

bool Device::OnPacket(const mqtt::Packet& packet, DeviceListener& listener, std::string* out) {
  if (const auto* connack = std::get_if<mqtt::Connack>(&packet)) {
    if (connack->code != mqtt::ConnectCode::kAccepted) {
      listener.OnRefused(connack->code);
      return false;
    }
    OnAccepted(out);
    listener.OnConnected();
  } else if (const auto* publish = std::get_if<mqtt::Publish>(&packet)) {
    OnPublish(*publish, listener, out);
  } else if (std::holds_alternative<mqtt::Suback>(packet)) {
    listener.OnSubscribed();
    if (profile_.report_without_pause) ReportNext(listener, out);
  } else if (std::holds_alternative<mqtt::Pingresp>(packet)) {
    ping_open_ = false;
  }
  return true;
}

void Device::OnAccepted(std::string* out) {
  connected_ = true;
  mqtt::Subscribe subscribe;
  subscribe.packet_id = next_packet_id_;
  next_packet_id_ = next_packet_id_ == 0x7fff ? 1 : static_cast<uint16_t>(next_packet_id_ + 1);
  subscribe.subscriptions.push_back({mqtt::kMethodsFilter, 0});
  if (profile_.apply_desired || profile_.report_without_pause) {
    subscribe.subscriptions.push_back({mqtt::kTwinResponsesFilter, 0});
  }
  if (profile_.apply_desired) subscribe.subscriptions.push_back({mqtt::kDesiredFilter, 0});
  mqtt::Encode(subscribe, out);
  // What changed while the device was away is not sent again (device-mqtt.md 4.6): it has to ask.
  if (profile_.apply_desired) mqtt::AppendTwinRead(kTwinReadId, std::nullopt, out);
}

void Device::OnPublish(const mqtt::Publish& publish, DeviceListener& listener, std::string* out) {
  if (publish.qos == 1) mqtt::Encode(mqtt::Puback{publish.packet_id}, out);
  const mqtt::HubTopic topic = mqtt::ParseHubTopic(publish.topic);
  switch (topic.kind) {
    case mqtt::HubTopic::Kind::kMethodRequest: listener.OnCall(topic.method, topic.request_id, publish.payload); break;
    case mqtt::HubTopic::Kind::kDesiredChange:
      listener.OnDesired(topic.version.value_or(0), publish.payload);
      if (profile_.apply_desired) ApplyDesired(publish.payload, listener, out);
      break;
    case mqtt::HubTopic::Kind::kTwinResponse:
      if (topic.request_id != kTwinReadId) {
        listener.OnReportAnswered(topic.status);
        if (profile_.report_without_pause) ReportNext(listener, out);
        break;
      }
      if (topic.status != kOk) break;
      listener.OnTwin(publish.payload);
      ApplyTwin(publish.payload, listener, out);
      break;
    case mqtt::HubTopic::Kind::kUnknown: break;
  }
}

void Device::ApplyDesired(std::string_view patch, DeviceListener& listener, std::string* out) {
  absl::StatusOr<json::Value> value = json::Parse(patch);
  if (!value.ok() || !value->is_object()) return;
  value->Remove("$version");
  if (!value->object().empty()) Report(json::Print(*value), listener, out);
}

void Device::ApplyTwin(std::string_view document, DeviceListener& listener, std::string* out) {
  absl::StatusOr<json::Value> twin = json::Parse(document);
  if (!twin.ok() || !twin->is_object()) return;
  json::Value* const desired = twin->Find("desired");
  const json::Value* const reported = twin->Find("reported");
  if (desired == nullptr || !desired->is_object() || reported == nullptr) return;
  desired->Remove("$version");
  json::Value merged = *reported;
  json::MergePatch(merged, *desired);
  if (!(merged == *reported)) Report(json::Print(*desired), listener, out);
}

void Device::ReportNext(DeviceListener& listener, std::string* out) {
  Report(absl::StrCat("{\"count\":", next_request_, "}"), listener, out);
}

void Device::Report(std::string_view patch, DeviceListener& listener, std::string* out) {
  mqtt::AppendReportedPatch(absl::StrCat("r", next_request_++), patch, std::nullopt, out);
  listener.OnReported();
}

int Device::Answer(std::string_view request_id, std::string_view payload, std::string* out) const {
  const int status = treatment_ == Treatment::kFail ? kFailed : kOk;
  mqtt::AppendMethodResponse(status, request_id, payload, std::nullopt, out);
  return status;
}

std::string_view Device::UsualPayload() const {
  return treatment_ == Treatment::kFail ? std::string_view("{\"error\":\"simulated\"}") : profile_.method_payload;
}

bool Device::Ping(std::string* out) {
  if (ping_open_) return false;
  ping_open_ = true;
  mqtt::Encode(mqtt::Pingreq{}, out);
  return true;
}

void Device::Disconnect(std::string* out) { mqtt::Encode(mqtt::Disconnect{}, out); }

}  // namespace fleetcast::fleetsim
