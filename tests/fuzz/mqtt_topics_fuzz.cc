// A device id and a topic, a line each: whatever is read from a topic can be written to one that reads the same; views
// stay inside the text; filters are those of the vocabulary; a second implementation agrees on property bags.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/base/check.h"
#include "libs/mqtt/codec.h"
#include "libs/mqtt/messages.h"
#include "libs/mqtt/percent.h"
#include "libs/mqtt/topics.h"

namespace {

namespace mqtt = fleetcast::mqtt;
using DeviceKind = mqtt::DeviceTopic::Kind;
using HubKind = mqtt::HubTopic::Kind;

bool IsInside(std::string_view part, std::string_view text) {
  return part.empty() || (part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size());
}

// The topic of the PUBLISH that was appended to `bytes`.
std::string TopicOf(const std::string& bytes, const mqtt::Limits& limits) {
  mqtt::PacketReader reader;
  mqtt::Packet packet;
  std::string_view input = bytes;
  FLEETCAST_CHECK(reader.Next(limits, &input, &packet) == mqtt::PacketReader::Result::kPacket && input.empty());
  return std::string(std::get<mqtt::Publish>(packet).topic);
}

// Whether a packet with this topic can have come: the reader refuses it otherwise.
bool IsTopic(std::string_view topic) {
  std::string bytes;
  mqtt::Encode(mqtt::Publish{.topic = topic}, &bytes);
  mqtt::PacketReader reader;
  mqtt::Packet packet;
  std::string_view input = bytes;
  return reader.Next(mqtt::kServerLimits, &input, &packet) == mqtt::PacketReader::Result::kPacket;
}

void CheckDeviceTopic(std::string_view text, std::string_view device_id) {
  const mqtt::DeviceTopic topic = mqtt::ParseDeviceTopic(text, device_id);
  FLEETCAST_CHECK(IsInside(topic.request_id, text) && IsInside(topic.properties, text));
  if (topic.kind == DeviceKind::kForbidden || topic.kind == DeviceKind::kIgnored) return;
  if (topic.kind == DeviceKind::kTelemetry) {
    FLEETCAST_CHECK(text.substr(0, 8) == "devices/");
    return;
  }
  FLEETCAST_CHECK(!topic.request_id.empty() && topic.request_id.size() <= mqtt::kRequestIdBytesMax);
  std::string bytes;
  if (topic.kind == DeviceKind::kMethodResponse) {
    mqtt::AppendMethodResponse(topic.status, topic.request_id, "", 1, &bytes);
  } else if (topic.kind == DeviceKind::kTwinRead) {
    mqtt::AppendTwinRead(topic.request_id, std::nullopt, &bytes);
  } else {
    mqtt::AppendReportedPatch(topic.request_id, "{}", 7, &bytes);
  }
  const std::string written = TopicOf(bytes, mqtt::kServerLimits);
  const mqtt::DeviceTopic again = mqtt::ParseDeviceTopic(written, device_id);
  FLEETCAST_CHECK(again.kind == topic.kind && again.status == topic.status && again.request_id == topic.request_id);
  bytes.clear();
  mqtt::AppendTwinResponse(204, topic.request_id, 5, "", &bytes);  // As the hub would answer.
  const std::string answer = TopicOf(bytes, mqtt::kClientLimits);
  const mqtt::HubTopic heard = mqtt::ParseHubTopic(answer);
  FLEETCAST_CHECK(heard.kind == HubKind::kTwinResponse && heard.request_id == topic.request_id);
  FLEETCAST_CHECK(heard.status == 204 && heard.version == 5);
}

void CheckHubTopic(std::string_view text) {
  const mqtt::HubTopic topic = mqtt::ParseHubTopic(text);
  FLEETCAST_CHECK(IsInside(topic.method, text) && IsInside(topic.request_id, text));
  std::string bytes;
  if (topic.kind == HubKind::kMethodRequest) {
    const std::optional<std::string> method = mqtt::PercentDecode(topic.method);
    const std::optional<uint64_t> call_id = mqtt::ParseCallId(topic.request_id);
    if (!method || !call_id) return;
    mqtt::AppendMethodRequest(*method, *call_id, "null", &bytes);
    const std::string written = TopicOf(bytes, mqtt::kClientLimits);
    const mqtt::HubTopic again = mqtt::ParseHubTopic(written);
    FLEETCAST_CHECK(again.kind == topic.kind && again.request_id == topic.request_id);
    FLEETCAST_CHECK(mqtt::PercentDecode(again.method) == method);
  } else if (topic.kind == HubKind::kDesiredChange) {
    mqtt::AppendDesiredChange(*topic.version, "{}", &bytes);
    const std::string written = TopicOf(bytes, mqtt::kClientLimits);
    FLEETCAST_CHECK(mqtt::ParseHubTopic(written).version == topic.version);
  }
}

// Whether `text` is `filter`, each part of it as it stands or percent-encoded.
bool IsSpellingOf(std::string_view text, std::string_view filter) {
  for (;;) {
    const std::string_view part = text.substr(0, text.find('/'));
    const std::string_view wanted = filter.substr(0, filter.find('/'));
    if (part != wanted && mqtt::PercentDecode(part) != wanted) return false;
    if (part.size() == text.size() || wanted.size() == filter.size()) {
      return part.size() == text.size() && wanted.size() == filter.size();
    }
    text.remove_prefix(part.size() + 1);
    filter.remove_prefix(wanted.size() + 1);
  }
}

// Each filter is granted in its own spelling; the ids in it may be percent-encoded.
void CheckFilter(std::string_view text, std::string_view device_id) {
  const std::optional<mqtt::Filter> filter = mqtt::ParseFilter(text, device_id);
  const std::string own = mqtt::MessagesFilter(device_id);
  const bool is_fixed =
      text == mqtt::kMethodsFilter || text == mqtt::kTwinResponsesFilter || text == mqtt::kDesiredFilter;
  FLEETCAST_CHECK(!is_fixed || filter.has_value());
  const auto slashes = std::count(device_id.begin(), device_id.end(), '/');
  if (slashes > 1) return;  // No client id.
  FLEETCAST_CHECK(mqtt::ParseFilter(own, device_id) == mqtt::Filter::kMessages);
  if (!filter.has_value() || is_fixed) return;
  const std::string base = own.substr(0, own.size() - std::string_view("messages/devicebound/#").size());
  const bool is_of_module = IsSpellingOf(text, base + "#") || IsSpellingOf(text, base + "inputs/#");
  FLEETCAST_CHECK(IsSpellingOf(text, own) || (slashes == 1 && is_of_module));
}

// What IsPropertyBag promises, written once more.
bool IsBag(std::string_view bag) {
  int count = 0;
  while (!bag.empty()) {
    const std::string_view pair = bag.substr(0, bag.find('&'));
    bag.remove_prefix(std::min(bag.size(), pair.size() + 1));
    if (pair.empty() || pair[0] == '=' || !mqtt::PercentDecode(pair).has_value()) return false;
    if (++count > mqtt::kPropertiesMax) return false;
  }
  return true;
}

void CheckText(std::string_view text) {
  std::string encoded;
  mqtt::PercentEncode(text, &encoded);
  FLEETCAST_CHECK(encoded.size() == mqtt::PercentEncodedSize(text) && mqtt::PercentDecode(encoded) == text);
  FLEETCAST_CHECK(mqtt::IsPercentEncoded(text) == mqtt::PercentDecode(text).has_value());
  const std::optional<uint64_t> call_id = mqtt::ParseCallId(text);
  FLEETCAST_CHECK(!call_id || mqtt::FormatCallId(*call_id) == text);
  const std::string_view bag = mqtt::TrimPropertyBag(text);
  FLEETCAST_CHECK(IsInside(bag, text) && bag.size() + 2 >= text.size());
  FLEETCAST_CHECK(mqtt::IsPropertyBag(bag) == IsBag(bag));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const size_t end = input.find('\n');
  if (end == std::string_view::npos || end == 0) return 0;
  const std::string_view device_id = input.substr(0, end);
  const std::string_view text = input.substr(end + 1);
  CheckText(text);
  CheckFilter(text, device_id);
  if (!IsTopic(text)) return 0;
  CheckDeviceTopic(text, device_id);
  CheckHubTopic(text);
  return 0;
}
