// Which properties each packet of level 5 may have, and of which type: the one list that decoding and encoding share
// (MQTT 5 table 2-4). Internal to this library.
//
// VisitProperties(properties, visitor) calls the visitor once for each property that may be there, with its id and its
// field; the name of the call is the type on the wire.
#pragma once

#include <type_traits>

#include "libs/mqtt/properties.h"

namespace fleetcast::mqtt {

template <typename Properties, typename Of>
concept PropertiesOf = std::is_same_v<std::remove_const_t<Properties>, Of>;

template <PropertiesOf<ConnectProperties> Properties, typename Visitor>
void VisitProperties(Properties& properties, Visitor& visitor) {
  visitor.Four(PropertyId::kSessionExpiry, properties.session_expiry_seconds);
  visitor.TwoNotZero(PropertyId::kReceiveMaximum, properties.receive_maximum);
  visitor.FourNotZero(PropertyId::kMaximumPacketSize, properties.packet_bytes_max);
  visitor.Two(PropertyId::kTopicAliasMaximum, properties.topic_alias_maximum);
  visitor.Bool(PropertyId::kRequestResponseInformation, properties.request_response_information);
  visitor.Bool(PropertyId::kRequestProblemInformation, properties.request_problem_information);
  visitor.String(PropertyId::kAuthenticationMethod, properties.authentication_method);
  visitor.Binary(PropertyId::kAuthenticationData, properties.authentication_data);
  visitor.User(properties.user);
}

template <PropertiesOf<WillProperties> Properties, typename Visitor>
void VisitProperties(Properties& properties, Visitor& visitor) {
  visitor.Four(PropertyId::kWillDelay, properties.delay_seconds);
  visitor.Bool(PropertyId::kPayloadFormat, properties.is_text);
  visitor.Four(PropertyId::kMessageExpiry, properties.message_expiry_seconds);
  visitor.String(PropertyId::kContentType, properties.content_type);
  visitor.Topic(PropertyId::kResponseTopic, properties.response_topic);
  visitor.Binary(PropertyId::kCorrelationData, properties.correlation_data);
  visitor.User(properties.user);
}

template <PropertiesOf<ConnackProperties> Properties, typename Visitor>
void VisitProperties(Properties& properties, Visitor& visitor) {
  visitor.Four(PropertyId::kSessionExpiry, properties.session_expiry_seconds);
  visitor.TwoNotZero(PropertyId::kReceiveMaximum, properties.receive_maximum);
  visitor.Bool(PropertyId::kMaximumQos, properties.maximum_qos);
  visitor.Bool(PropertyId::kRetainAvailable, properties.retain_available);
  visitor.FourNotZero(PropertyId::kMaximumPacketSize, properties.packet_bytes_max);
  visitor.String(PropertyId::kAssignedClientId, properties.assigned_client_id);
  visitor.Two(PropertyId::kTopicAliasMaximum, properties.topic_alias_maximum);
  visitor.String(PropertyId::kReasonString, properties.reason_string);
  visitor.Bool(PropertyId::kWildcardAvailable, properties.wildcard_available);
  visitor.Bool(PropertyId::kSubscriptionIdsAvailable, properties.subscription_ids_available);
  visitor.Bool(PropertyId::kSharedAvailable, properties.shared_available);
  visitor.Two(PropertyId::kServerKeepAlive, properties.server_keep_alive_seconds);
  visitor.String(PropertyId::kResponseInformation, properties.response_information);
  visitor.String(PropertyId::kServerReference, properties.server_reference);
  visitor.String(PropertyId::kAuthenticationMethod, properties.authentication_method);
  visitor.Binary(PropertyId::kAuthenticationData, properties.authentication_data);
  visitor.User(properties.user);
}

template <PropertiesOf<PublishProperties> Properties, typename Visitor>
void VisitProperties(Properties& properties, Visitor& visitor) {
  visitor.Bool(PropertyId::kPayloadFormat, properties.is_text);
  visitor.Four(PropertyId::kMessageExpiry, properties.message_expiry_seconds);
  visitor.Alias(PropertyId::kTopicAlias, properties.topic_alias);
  visitor.Topic(PropertyId::kResponseTopic, properties.response_topic);
  visitor.Binary(PropertyId::kCorrelationData, properties.correlation_data);
  visitor.VariableNotZero(PropertyId::kSubscriptionId, properties.subscription_id);
  visitor.String(PropertyId::kContentType, properties.content_type);
  visitor.User(properties.user);
}

template <PropertiesOf<AckProperties> Properties, typename Visitor>
void VisitProperties(Properties& properties, Visitor& visitor) {
  visitor.String(PropertyId::kReasonString, properties.reason_string);
  visitor.User(properties.user);
}

template <PropertiesOf<SubscribeProperties> Properties, typename Visitor>
void VisitProperties(Properties& properties, Visitor& visitor) {
  visitor.VariableNotZero(PropertyId::kSubscriptionId, properties.subscription_id);
  visitor.User(properties.user);
}

template <PropertiesOf<UnsubscribeProperties> Properties, typename Visitor>
void VisitProperties(Properties& properties, Visitor& visitor) {
  visitor.User(properties.user);
}

template <PropertiesOf<DisconnectProperties> Properties, typename Visitor>
void VisitProperties(Properties& properties, Visitor& visitor) {
  visitor.Four(PropertyId::kSessionExpiry, properties.session_expiry_seconds);
  visitor.String(PropertyId::kReasonString, properties.reason_string);
  visitor.String(PropertyId::kServerReference, properties.server_reference);
  visitor.User(properties.user);
}

template <PropertiesOf<AuthProperties> Properties, typename Visitor>
void VisitProperties(Properties& properties, Visitor& visitor) {
  visitor.String(PropertyId::kAuthenticationMethod, properties.method);
  visitor.Binary(PropertyId::kAuthenticationData, properties.data);
  visitor.String(PropertyId::kReasonString, properties.reason_string);
  visitor.User(properties.user);
}

}  // namespace fleetcast::mqtt
