#include "services/mqtt_edge/connection/topic_aliases.h"

namespace fleetcast::mqtt_edge {

mqtt::ReasonCode TopicAliases::Resolve(std::optional<uint16_t> alias, std::string_view* topic) {
  if (!alias.has_value()) return mqtt::ReasonCode::kSuccess;
  if (*alias == 0 || *alias > kAliasMax) return mqtt::ReasonCode::kTopicAliasInvalid;
  const size_t index = *alias - size_t{1};
  if (topic->empty()) {
    if (index >= topics_.size() || topics_[index].empty()) return mqtt::ReasonCode::kProtocolError;
    *topic = topics_[index];
    return mqtt::ReasonCode::kSuccess;
  }
  if (index >= topics_.size()) topics_.resize(index + 1);
  const size_t bytes = bytes_ - topics_[index].size() + topic->size();
  if (bytes > kBytesMax) return mqtt::ReasonCode::kQuotaExceeded;
  bytes_ = bytes;
  topics_[index].assign(*topic);
  return mqtt::ReasonCode::kSuccess;
}

}  // namespace fleetcast::mqtt_edge
