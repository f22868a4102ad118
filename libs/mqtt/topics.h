// The closed topic vocabulary of IoT Hub (device-mqtt.md section 4), read from both ends. Topics carry no id but the
// client's own, and each connection is a topic space of its own. Filters for one method (F8) are not part of it yet.
//
// `client_id` is that of a device, `device`, or of a module, `device/module` (2.2). In topics its ids stand raw or
// percent-encoded (D-CID-3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fleetcast::mqtt {

inline constexpr std::string_view kMethodsFilter = "$iothub/methods/POST/#";                   // F1
inline constexpr std::string_view kTwinResponsesFilter = "$iothub/twin/res/#";                 // F2
inline constexpr std::string_view kDesiredFilter = "$iothub/twin/PATCH/properties/desired/#";  // F3

// `devices/{device}/messages/devicebound/#` (F4), or `devices/{device}/modules/{module}/messages/devicebound/#` (F7).
std::string MessagesFilter(std::string_view client_id);

// The filters a client may subscribe to (4.1).
enum class Filter : uint8_t {
  kMethods,        // F1
  kTwinResponses,  // F2
  kDesired,        // F3
  kMessages,       // F4 of a device, F7 of a module
  kModule,         // F5: everything for a module
  kInputs,         // F6: inputs of a module
};

// The filter that `text` is, if it is one that `client_id` may subscribe to.
std::optional<Filter> ParseFilter(std::string_view text, std::string_view client_id);

// A request id longer than this is not processed (4.7).
inline constexpr size_t kRequestIdBytesMax = 256;

// What a device publishes (4.2).
struct DeviceTopic {
  enum class Kind : uint8_t {
    kForbidden,       // Not in the vocabulary, or of another client: the connection must be closed (D-PUB-4, -5).
    kIgnored,         // In the vocabulary, but its parameters make no sense: count and drop (4.3, Q15, Q16).
    kTelemetry,       // P1 of a device, P2 of a module
    kMethodResponse,  // P3
    kTwinRead,        // P4
    kReportedPatch,   // P5
  };
  Kind kind = Kind::kForbidden;
  int32_t status = 0;              // P3
  std::string_view request_id;     // P3, P4, P5: the text after `$rid=`, not decoded, at most kRequestIdBytesMax.
  std::optional<int64_t> version;  // P5
  std::string_view properties;     // P1, P2: the property bag, trimmed, still encoded; see PropertyReader.
};

// Reads the topic of a PUBLISH from `client_id`. The views are of `topic`.
DeviceTopic ParseDeviceTopic(std::string_view topic, std::string_view client_id);

// What the hub publishes to a device; the client's end of the vocabulary.
struct HubTopic {
  enum class Kind : uint8_t { kUnknown, kMethodRequest, kTwinResponse, kDesiredChange };
  Kind kind = Kind::kUnknown;
  std::string_view method;         // Method request: the name as it stands there, percent-encoded.
  int32_t status = 0;              // Twin response.
  std::string_view request_id;     // Method request, twin response.
  std::optional<int64_t> version;  // Desired change; twin response to a patch.
};

// Reads the topic of a PUBLISH from the hub. The views are of `topic`.
HubTopic ParseHubTopic(std::string_view topic);

// A method call's id on the wire: 1–16 lower-case hex digits, no leading zero (4.3).
std::string FormatCallId(uint64_t call_id);

// The id written as `text`; nothing unless FormatCallId could have written it.
std::optional<uint64_t> ParseCallId(std::string_view text);

// One name and value of a property bag (4.8), still percent-encoded.
struct Property {
  std::string_view name;
  std::optional<std::string_view> value;  // `name` alone has none; `name=` has an empty one.
};

// A bag without the leading '?' and the trailing '/' that some SDKs write around it.
std::string_view TrimPropertyBag(std::string_view bag);

// Walks the properties of a trimmed bag, or the parameters after a '?', without copying.
class PropertyReader {
 public:
  explicit PropertyReader(std::string_view bag) : rest_(bag) {}
  // The next property, or false at the end.
  bool Next(Property* property);

 private:
  std::string_view rest_;
};

inline constexpr int kPropertiesMax = 256;  // In one bag; our bound, IoT Hub limits the bytes only.

// True if the trimmed bag of a telemetry message is well-formed: at most kPropertiesMax properties, names not empty,
// every percent sign followed by two hex digits (Q14).
bool IsPropertyBag(std::string_view bag);

}  // namespace fleetcast::mqtt
