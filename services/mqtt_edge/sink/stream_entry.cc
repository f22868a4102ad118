#include "services/mqtt_edge/sink/stream_entry.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "libs/mqtt/percent.h"
#include "libs/mqtt/topics.h"

namespace fleetcast::mqtt_edge {
namespace {

constexpr std::string_view kSystemPrefix = "$.";
constexpr std::string_view kApplicationPrefix = "app.";
constexpr std::string_view kContentType = "$.ct";
constexpr std::string_view kCorrelationId = "$.cid";

// The properties of one message by the names of their fields. Of a name that comes twice the last value counts
// (device-mqtt.md 4.8).
class PropertyFields {
 public:
  explicit PropertyFields(std::vector<std::string>* fields) : fields_(fields), begin_(fields->size()) {}

  void Set(std::string name, std::string value) {
    if (std::string* known = Find(name)) {
      *known = std::move(value);
      return;
    }
    fields_->push_back(std::move(name));
    fields_->push_back(std::move(value));
  }
  void SetApplication(std::string_view name, std::string_view value) {
    Set(std::string(kApplicationPrefix).append(name), std::string(value));
  }
  bool Has(std::string_view name) { return Find(name) != nullptr; }

 private:
  std::string* Find(std::string_view name) {
    for (size_t i = begin_; i < fields_->size(); i += 2) {
      if ((*fields_)[i] == name) return &(*fields_)[i + 1];
    }
    return nullptr;
  }

  std::vector<std::string>* const fields_;
  const size_t begin_;
};

void AddBag(std::string_view bag, PropertyFields& fields) {
  mqtt::PropertyReader reader(bag);
  for (mqtt::Property property; reader.Next(&property);) {
    std::string name = mqtt::PercentDecode(property.name).value_or("");
    std::string value = mqtt::PercentDecode(property.value.value_or("")).value_or("");
    if (!name.starts_with(kSystemPrefix)) name.insert(0, kApplicationPrefix);
    fields.Set(std::move(name), std::move(value));
  }
}

}  // namespace

std::vector<std::string> StreamFields(const TelemetryRecord& record) {
  const size_t slash = record.client_id.find('/');
  std::vector<std::string> fields = {"device_id", record.client_id.substr(0, slash)};
  if (slash != std::string::npos) fields.insert(fields.end(), {"module_id", record.client_id.substr(slash + 1)});
  fields.insert(fields.end(),
                {"enqueued_time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", record.time, absl::UTCTimeZone()), "body",
                 record.payload});
  PropertyFields properties(&fields);
  AddBag(record.properties, properties);
  mqtt::UserProperties user(record.user_properties);
  for (mqtt::UserProperty property; user.Next(&property);) properties.SetApplication(property.name, property.value);
  if (record.is_retained) properties.SetApplication("mqtt-retain", "true");  // D-PUB-3
  // What MQTT 5 says in its own way counts where the bag is silent.
  if (record.content_type && !properties.Has(kContentType))
    properties.Set(std::string(kContentType), *record.content_type);
  if (record.correlation_data && !properties.Has(kCorrelationId)) {
    properties.Set(std::string(kCorrelationId), *record.correlation_data);
  }
  return fields;
}

}  // namespace fleetcast::mqtt_edge
