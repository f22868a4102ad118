#include "services/mqtt_edge/sink/stream_entry.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fleetcast::mqtt_edge {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;

TelemetryRecord Record(std::string client_id, std::string properties, std::string payload = "21") {
  TelemetryRecord record;
  record.time = absl::FromUnixMillis(1'800'000'000'123);
  record.client_id = std::move(client_id);
  record.properties = std::move(properties);
  record.payload = std::move(payload);
  return record;
}

// The fields after those that every entry has.
std::vector<std::string> PropertiesOf(const TelemetryRecord& record) {
  const std::vector<std::string> fields = StreamFields(record);
  return {fields.begin() + 6, fields.end()};
}

TEST(StreamEntryTest, SaysWhoWhenAndWhat) {
  EXPECT_THAT(StreamFields(Record("dev-1", "", "a\0b"s)),
              ElementsAre("device_id", "dev-1", "enqueued_time", "2027-01-15T08:00:00.123Z", "body", "a\0b"s));
}

TEST(StreamEntryTest, AModuleHasAFieldOfItsOwn) {
  EXPECT_THAT(
      StreamFields(Record("dev-1/mod", "")),
      ElementsAre("device_id", "dev-1", "module_id", "mod", "enqueued_time", "2027-01-15T08:00:00.123Z", "body", "21"));
}

TEST(StreamEntryTest, PropertiesAreDecodedAndKeepTheirOrder) {
  EXPECT_THAT(PropertiesOf(Record(
                  "d", "%24.mid=m%201&%24.ct=application%2Fjson&%24.ce=utf-8&a%20b=c%2Fd%26e%3Df&$.on=out1&p=1+1")),
              ElementsAre("$.mid", "m 1", "$.ct", "application/json", "$.ce", "utf-8", "app.a b", "c/d&e=f", "$.on",
                          "out1", "app.p", "1+1"));
}

TEST(StreamEntryTest, ANameAloneHasAnEmptyValueAndOfTwoTheLastCounts) {
  EXPECT_THAT(PropertiesOf(Record("d", "alone&empty=&twice=1&x=y&twice=2")),
              ElementsAre("app.alone", "", "app.empty", "", "app.twice", "2", "app.x", "y"));
}

TEST(StreamEntryTest, NoPropertyTakesTheNameOfAFieldOfOurs) {
  EXPECT_THAT(PropertiesOf(Record("d", "device_id=evil&body=evil")),
              ElementsAre("app.device_id", "evil", "app.body", "evil"));
}

TEST(StreamEntryTest, UserPropertiesOfMqtt5AreApplicationProperties) {
  TelemetryRecord record = Record("d", "level=1");
  mqtt::AppendUserProperty("level", "2", &record.user_properties);
  mqtt::AppendUserProperty("traceparent", "00-1-2-01", &record.user_properties);
  mqtt::AppendUserProperty("$.mid", "no system property", &record.user_properties);
  EXPECT_THAT(PropertiesOf(record),
              ElementsAre("app.level", "2", "app.traceparent", "00-1-2-01", "app.$.mid", "no system property"));
}

TEST(StreamEntryTest, Mqtt5sOwnPropertiesCountWhereTheBagIsSilent) {
  TelemetryRecord record = Record("d", "%24.ct=text%2Fplain");
  record.content_type = "application/json";
  record.correlation_data = "\0\1"s;
  EXPECT_THAT(PropertiesOf(record), ElementsAre("$.ct", "text/plain", "$.cid", "\0\1"s));
}

TEST(StreamEntryTest, DPub3RetainIsAnApplicationProperty) {
  TelemetryRecord record = Record("d", "");
  record.is_retained = true;
  EXPECT_THAT(PropertiesOf(record), ElementsAre("app.mqtt-retain", "true"));
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
