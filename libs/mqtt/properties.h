// Properties of MQTT 5 packets (its section 2.2.2) as values: one struct per packet that has any, with exactly the
// properties that the standard allows there. Absent ones are empty. Text and binary values are views.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fleetcast::mqtt {

// MQTT 5 table 2-4.
enum class PropertyId : uint8_t {
  kPayloadFormat = 0x01,
  kMessageExpiry = 0x02,
  kContentType = 0x03,
  kResponseTopic = 0x08,
  kCorrelationData = 0x09,
  kSubscriptionId = 0x0b,
  kSessionExpiry = 0x11,
  kAssignedClientId = 0x12,
  kServerKeepAlive = 0x13,
  kAuthenticationMethod = 0x15,
  kAuthenticationData = 0x16,
  kRequestProblemInformation = 0x17,
  kWillDelay = 0x18,
  kRequestResponseInformation = 0x19,
  kResponseInformation = 0x1a,
  kServerReference = 0x1c,
  kReasonString = 0x1f,
  kReceiveMaximum = 0x21,
  kTopicAliasMaximum = 0x22,
  kTopicAlias = 0x23,
  kMaximumQos = 0x24,
  kRetainAvailable = 0x25,
  kUserProperty = 0x26,
  kMaximumPacketSize = 0x27,
  kWildcardAvailable = 0x28,
  kSubscriptionIdsAvailable = 0x29,
  kSharedAvailable = 0x2a,
};

struct UserProperty {
  std::string_view name;
  std::string_view value;
};

// The user properties of one packet, in their order; names may repeat. A view of encoded properties, walked without
// copying.
class UserProperties {
 public:
  UserProperties() = default;
  // `encoded`: well-formed properties of any kind; others than user properties are passed over.
  explicit UserProperties(std::string_view encoded) : rest_(encoded) {}

  // Takes the first one off the front; false when there is none.
  bool Next(UserProperty* property);
  // The value of the first one with this name.
  std::optional<std::string_view> Find(std::string_view name) const;
  bool empty() const;

 private:
  std::string_view rest_;
};

// Appends one, encoded, for UserProperties. Name and value are at most 65,535 bytes.
void AppendUserProperty(std::string_view name, std::string_view value, std::string* encoded);

struct ConnectProperties {
  std::optional<uint32_t> session_expiry_seconds = {};  // UINT32_MAX: never.
  std::optional<uint16_t> receive_maximum = {};         // Not 0.
  std::optional<uint32_t> packet_bytes_max = {};        // Not 0.
  std::optional<uint16_t> topic_alias_maximum = {};
  std::optional<bool> request_response_information = {};
  std::optional<bool> request_problem_information = {};
  std::optional<std::string_view> authentication_method = {};
  std::optional<std::string_view> authentication_data = {};  // A secret: never logged.
  UserProperties user = {};
};

struct WillProperties {
  std::optional<uint32_t> delay_seconds = {};
  std::optional<bool> is_text = {};  // Payload Format Indicator.
  std::optional<uint32_t> message_expiry_seconds = {};
  std::optional<std::string_view> content_type = {};
  std::optional<std::string_view> response_topic = {};
  std::optional<std::string_view> correlation_data = {};
  UserProperties user = {};
};

struct ConnackProperties {
  std::optional<uint32_t> session_expiry_seconds = {};
  std::optional<uint16_t> receive_maximum = {};
  std::optional<bool> maximum_qos = {};  // QoS 0 or 1; absent: 2.
  std::optional<bool> retain_available = {};
  std::optional<uint32_t> packet_bytes_max = {};
  std::optional<std::string_view> assigned_client_id = {};
  std::optional<uint16_t> topic_alias_maximum = {};
  std::optional<std::string_view> reason_string = {};
  std::optional<bool> wildcard_available = {};
  std::optional<bool> subscription_ids_available = {};
  std::optional<bool> shared_available = {};
  std::optional<uint16_t> server_keep_alive_seconds = {};
  std::optional<std::string_view> response_information = {};
  std::optional<std::string_view> server_reference = {};
  std::optional<std::string_view> authentication_method = {};
  std::optional<std::string_view> authentication_data = {};
  UserProperties user = {};
};

struct PublishProperties {
  std::optional<bool> is_text = {};  // Payload Format Indicator.
  std::optional<uint32_t> message_expiry_seconds = {};
  std::optional<uint16_t> topic_alias = {};  // Not 0.
  std::optional<std::string_view> response_topic = {};
  std::optional<std::string_view> correlation_data = {};
  std::optional<uint32_t> subscription_id = {};  // Only servers send it; neither side of Fleetcast uses it.
  std::optional<std::string_view> content_type = {};
  UserProperties user = {};
};

// Of PUBACK, SUBACK and UNSUBACK.
struct AckProperties {
  std::optional<std::string_view> reason_string = {};
  UserProperties user = {};
};

struct SubscribeProperties {
  std::optional<uint32_t> subscription_id = {};  // 1 to kRemainingLengthMax.
  UserProperties user = {};
};

struct UnsubscribeProperties {
  UserProperties user = {};
};

struct DisconnectProperties {
  std::optional<uint32_t> session_expiry_seconds = {};
  std::optional<std::string_view> reason_string = {};
  std::optional<std::string_view> server_reference = {};
  UserProperties user = {};
};

struct AuthProperties {
  std::optional<std::string_view> method = {};
  std::optional<std::string_view> data = {};  // A secret: never logged.
  std::optional<std::string_view> reason_string = {};
  UserProperties user = {};
};

// The encoded size of these properties with their length in front, and the encoding itself: for a PUBLISH whose topic
// is built in place (EncodePublishHeader).
size_t EncodedSize(const PublishProperties& properties);
void EncodeProperties(const PublishProperties& properties, std::string* out);

}  // namespace fleetcast::mqtt
