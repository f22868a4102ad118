#include "libs/mqtt/topics.h"

#include <charconv>

#include "libs/mqtt/percent.h"

namespace fleetcast::mqtt {
namespace {

constexpr std::string_view kDevicesPrefix = "devices/";
constexpr std::string_view kModulesInfix = "/modules/";
constexpr std::string_view kEventsSuffix = "/messages/events";
constexpr std::string_view kMessagesSuffix = "/messages/devicebound/#";
constexpr std::string_view kInputsSuffix = "/inputs/#";
constexpr std::string_view kAnySuffix = "/#";
constexpr std::string_view kMethodResponsePrefix = "$iothub/methods/res/";
constexpr std::string_view kTwinReadPrefix = "$iothub/twin/GET/";
constexpr std::string_view kReportedPrefix = "$iothub/twin/PATCH/properties/reported/";
constexpr std::string_view kMethodRequestPrefix = "$iothub/methods/POST/";
constexpr std::string_view kTwinResponsePrefix = "$iothub/twin/res/";
constexpr std::string_view kDesiredPrefix = "$iothub/twin/PATCH/properties/desired/";
constexpr size_t kStatusDigitsMax = 6;

bool StartsWith(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

// Takes `prefix` off the front of `text`; false, and no effect, when it is not there.
bool Consume(std::string_view prefix, std::string_view* text) {
  if (!StartsWith(*text, prefix)) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// Takes an id off the front, in the raw spelling that SDKs use or percent-encoded (D-CID-3).
bool ConsumeId(std::string_view id, std::string_view* text) {
  const std::string_view segment = text->substr(0, text->find('/'));
  if (segment != id) {
    if (segment.find('%') == std::string_view::npos || PercentDecode(segment) != id) return false;
  }
  text->remove_prefix(segment.size());
  return true;
}

// Takes `devices/{device}` or `devices/{device}/modules/{module}` off the front.
bool ConsumeClient(std::string_view client_id, std::string_view* text) {
  const size_t slash = client_id.find('/');
  if (!Consume(kDevicesPrefix, text) || !ConsumeId(client_id.substr(0, slash), text)) return false;
  if (slash == std::string_view::npos) return true;
  return Consume(kModulesInfix, text) && ConsumeId(client_id.substr(slash + 1), text);
}

// A whole number, nothing else. `digits_max` bounds the digits, not the sign.
template <typename Number>
std::optional<Number> ParseNumber(std::string_view text, size_t digits_max) {
  const bool is_negative = StartsWith(text, "-");
  if (text.size() > digits_max + (is_negative ? 1 : 0)) return std::nullopt;
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The parameters after `?`: what devices and hub write is `$rid=…`, `$version=…`, in this order or not.
struct Parameters {
  std::optional<std::string_view> request_id;
  std::optional<std::string_view> version;
  bool repeated = false;
};

Parameters ReadParameters(std::string_view query) {
  Parameters parameters;
  PropertyReader reader(query);
  for (Property property; reader.Next(&property);) {
    std::optional<std::string_view>* slot = nullptr;
    if (property.name == "$rid" || property.name == "%24rid") slot = &parameters.request_id;
    if (property.name == "$version" || property.name == "%24version") slot = &parameters.version;
    if (slot == nullptr) continue;
    if (slot->has_value()) parameters.repeated = true;
    *slot = property.value.value_or("");
  }
  return parameters;
}

// The request id and version of a request to the hub; false when they make no sense.
bool ReadRequest(std::string_view query, DeviceTopic* topic) {
  if (!Consume("?", &query)) return false;
  const Parameters parameters = ReadParameters(query);
  if (parameters.repeated || !parameters.request_id.has_value()) return false;
  topic->request_id = *parameters.request_id;
  if (topic->request_id.empty() || topic->request_id.size() > kRequestIdBytesMax) return false;
  if (parameters.version.has_value()) {
    topic->version = ParseNumber<int64_t>(*parameters.version, 18);
    return topic->version.has_value();
  }
  return true;
}

DeviceTopic Request(DeviceTopic::Kind kind, std::string_view query) {
  DeviceTopic topic;
  topic.kind = ReadRequest(query, &topic) ? kind : DeviceTopic::Kind::kIgnored;
  return topic;
}

DeviceTopic MethodResponse(std::string_view rest) {
  DeviceTopic topic;
  topic.kind = DeviceTopic::Kind::kIgnored;
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return topic;
  const std::optional<int32_t> status = ParseNumber<int32_t>(rest.substr(0, slash), kStatusDigitsMax);
  if (!status.has_value() || !ReadRequest(rest.substr(slash + 1), &topic)) return topic;
  topic.kind = DeviceTopic::Kind::kMethodResponse;
  topic.status = *status;
  return topic;
}

DeviceTopic Telemetry(std::string_view rest, std::string_view client_id) {
  DeviceTopic topic;
  if (!ConsumeClient(client_id, &rest) || !Consume(kEventsSuffix, &rest)) return topic;
  if (!rest.empty() && !Consume("/", &rest)) return topic;  // D-PUB-6: the last slash may be missing.
  topic.kind = DeviceTopic::Kind::kTelemetry;
  topic.properties = TrimPropertyBag(rest);
  return topic;
}

}  // namespace

std::string MessagesFilter(std::string_view client_id) {
  const size_t slash = client_id.find('/');
  std::string filter(kDevicesPrefix);
  filter.append(client_id.substr(0, slash));
  if (slash != std::string_view::npos) filter.append(kModulesInfix).append(client_id.substr(slash + 1));
  return filter.append(kMessagesSuffix);
}

std::optional<Filter> ParseFilter(std::string_view text, std::string_view client_id) {
  if (text == kMethodsFilter) return Filter::kMethods;
  if (text == kTwinResponsesFilter) return Filter::kTwinResponses;
  if (text == kDesiredFilter) return Filter::kDesired;
  if (!ConsumeClient(client_id, &text)) return std::nullopt;
  if (text == kMessagesSuffix) return Filter::kMessages;
  const bool is_module = client_id.find('/') != std::string_view::npos;
  if (is_module && text == kAnySuffix) return Filter::kModule;
  if (is_module && text == kInputsSuffix) return Filter::kInputs;
  return std::nullopt;
}

DeviceTopic ParseDeviceTopic(std::string_view topic, std::string_view client_id) {
  if (Consume(kMethodResponsePrefix, &topic)) return MethodResponse(topic);
  if (Consume(kTwinReadPrefix, &topic)) return Request(DeviceTopic::Kind::kTwinRead, topic);
  if (Consume(kReportedPrefix, &topic)) return Request(DeviceTopic::Kind::kReportedPatch, topic);
  return Telemetry(topic, client_id);
}

HubTopic ParseHubTopic(std::string_view topic) {
  HubTopic parsed;
  HubTopic::Kind kind = HubTopic::Kind::kDesiredChange;
  if (Consume(kMethodRequestPrefix, &topic)) {
    kind = HubTopic::Kind::kMethodRequest;
  } else if (Consume(kTwinResponsePrefix, &topic)) {
    kind = HubTopic::Kind::kTwinResponse;
  } else if (!Consume(kDesiredPrefix, &topic)) {
    return parsed;
  }
  if (kind != HubTopic::Kind::kDesiredChange) {
    const size_t slash = topic.find('/');
    if (slash == std::string_view::npos) return parsed;
    const std::string_view segment = topic.substr(0, slash);
    topic.remove_prefix(slash + 1);
    if (kind == HubTopic::Kind::kMethodRequest) {
      parsed.method = segment;
    } else {
      const std::optional<int32_t> status = ParseNumber<int32_t>(segment, kStatusDigitsMax);
      if (!status.has_value()) return parsed;
      parsed.status = *status;
    }
  }
  if (!Consume("?", &topic)) return parsed;
  const Parameters parameters = ReadParameters(topic);
  parsed.request_id = parameters.request_id.value_or("");
  if (parameters.version.has_value()) parsed.version = ParseNumber<int64_t>(*parameters.version, 18);
  const bool is_complete =
      kind == HubTopic::Kind::kDesiredChange ? parsed.version.has_value() : !parsed.request_id.empty();
  if (is_complete) parsed.kind = kind;
  return parsed;
}

std::string FormatCallId(uint64_t call_id) {
  char digits[16];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), call_id, 16);
  return std::string(digits, end);
}

std::optional<uint64_t> ParseCallId(std::string_view text) {
  if (text.empty() || text.size() > 16 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  uint64_t call_id = 0;
  for (const char c : text) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && (c < 'a' || c > 'f')) return std::nullopt;
    call_id = call_id << 4 | static_cast<uint64_t>(is_digit ? c - '0' : c - 'a' + 10);
  }
  return call_id;
}

std::string_view TrimPropertyBag(std::string_view bag) {
  Consume("?", &bag);
  if (!bag.empty() && bag.back() == '/') bag.remove_suffix(1);
  return bag;
}

bool PropertyReader::Next(Property* property) {
  if (rest_.empty()) return false;
  const size_t ampersand = rest_.find('&');
  const std::string_view pair = rest_.substr(0, ampersand);
  rest_ = ampersand == std::string_view::npos ? std::string_view() : rest_.substr(ampersand + 1);
  const size_t equals = pair.find('=');
  property->name = pair.substr(0, equals);
  property->value.reset();
  if (equals != std::string_view::npos) property->value = pair.substr(equals + 1);
  return true;
}

bool IsPropertyBag(std::string_view bag) {
  PropertyReader reader(bag);
  int count = 0;
  for (Property property; reader.Next(&property);) {
    if (++count > kPropertiesMax || property.name.empty()) return false;
    if (!IsPercentEncoded(property.name) || !IsPercentEncoded(property.value.value_or(""))) return false;
  }
  return true;
}

}  // namespace fleetcast::mqtt
