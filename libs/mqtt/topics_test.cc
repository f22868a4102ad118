#include "libs/mqtt/topics.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "libs/mqtt/codec.h"
#include "libs/mqtt/messages.h"
#include "libs/mqtt/percent.h"

namespace fleetcast::mqtt {
namespace {

using Kind = DeviceTopic::Kind;

TEST(FilterTest, DSub3OnlyTheKnownFiltersExist) {
  EXPECT_EQ(ParseFilter("$iothub/methods/POST/#", "dev-1"), Filter::kMethods);
  EXPECT_EQ(ParseFilter("$iothub/twin/res/#", "dev-1"), Filter::kTwinResponses);
  EXPECT_EQ(ParseFilter("$iothub/twin/PATCH/properties/desired/#", "dev-1"), Filter::kDesired);
  EXPECT_EQ(ParseFilter("devices/dev-1/messages/devicebound/#", "dev-1"), Filter::kMessages);
  EXPECT_EQ(ParseFilter(MessagesFilter("dev-1"), "dev-1"), Filter::kMessages);
  for (const std::string_view filter :
       {"#", "+", "$iothub/#", "$iothub/methods/POST/+", "$iothub/methods/POST/", "/$iothub/methods/POST/#",
        "devices/other/messages/devicebound/#", "devices/dev-1/#", "devices/dev-10/messages/devicebound/#",
        "devices/dev-1/messages/devicebound/", "devices//messages/devicebound/#", "devices/", "devices/dev-1"}) {
    EXPECT_FALSE(ParseFilter(filter, "dev-1").has_value()) << filter;
  }
}

TEST(FilterTest, DCid3PercentEncodedIdIsTheSameDevice) {
  EXPECT_EQ(ParseFilter("devices/a%3Ab/messages/devicebound/#", "a:b"), Filter::kMessages);
  EXPECT_EQ(ParseFilter("devices/a%25/messages/devicebound/#", "a%25"), Filter::kMessages);
  EXPECT_FALSE(ParseFilter("devices/a%3/messages/devicebound/#", "a:b").has_value());
}

TEST(FilterTest, AModuleHasFiltersOfItsOwn) {
  EXPECT_EQ(ParseFilter("$iothub/methods/POST/#", "dev-1/mod"), Filter::kMethods);
  EXPECT_EQ(ParseFilter("devices/dev-1/modules/mod/#", "dev-1/mod"), Filter::kModule);
  EXPECT_EQ(ParseFilter("devices/dev-1/modules/mod/inputs/#", "dev-1/mod"), Filter::kInputs);
  EXPECT_EQ(ParseFilter("devices/dev-1/modules/mod/messages/devicebound/#", "dev-1/mod"), Filter::kMessages);
  EXPECT_EQ(ParseFilter(MessagesFilter("dev-1/mod"), "dev-1/mod"), Filter::kMessages);
  EXPECT_EQ(ParseFilter("devices/a%3Ab/modules/c%3Ad/inputs/#", "a:b/c:d"), Filter::kInputs);
  for (const std::string_view filter :
       {"devices/dev-1/messages/devicebound/#", "devices/dev-1/#", "devices/dev-1/inputs/#", "devices/dev-1/modules/#",
        "devices/dev-1/modules/other/#", "devices/dev-1/modules/mod", "devices/dev-1/modules/mod/outputs/#",
        "devices/dev-1/modules/mod/inputs/in/#", "devices/dev-1%2Fmodules/mod/#", "devices/dev-1/mod/#"}) {
    EXPECT_FALSE(ParseFilter(filter, "dev-1/mod").has_value()) << filter;
  }
  for (const std::string_view filter : {"devices/dev-1/modules/mod/#", "devices/dev-1/modules/mod/inputs/#"}) {
    EXPECT_FALSE(ParseFilter(filter, "dev-1").has_value()) << filter;
  }
}

TEST(DeviceTopicTest, ReadsEachTopicOfTheVocabulary) {
  DeviceTopic topic = ParseDeviceTopic("$iothub/methods/res/200/?$rid=1f", "dev-1");
  EXPECT_EQ(topic.kind, Kind::kMethodResponse);
  EXPECT_EQ(topic.status, 200);
  EXPECT_EQ(topic.request_id, "1f");

  topic = ParseDeviceTopic("$iothub/twin/GET/?$rid=0f8b", "dev-1");
  EXPECT_EQ(topic.kind, Kind::kTwinRead);
  EXPECT_EQ(topic.request_id, "0f8b");

  topic = ParseDeviceTopic("$iothub/twin/PATCH/properties/reported/?$rid=9", "dev-1");
  EXPECT_EQ(topic.kind, Kind::kReportedPatch);
  EXPECT_FALSE(topic.version.has_value());

  topic = ParseDeviceTopic("$iothub/twin/PATCH/properties/reported/?$rid=9&$version=4", "dev-1");
  EXPECT_EQ(topic.kind, Kind::kReportedPatch);
  EXPECT_EQ(topic.version, 4);
}

TEST(DeviceTopicTest, StatusIsASignedNumberOfUpToSixDigits) {
  EXPECT_EQ(ParseDeviceTopic("$iothub/methods/res/-1/?$rid=1", "d").status, -1);
  EXPECT_EQ(ParseDeviceTopic("$iothub/methods/res/-999999/?$rid=1", "d").status, -999'999);
  EXPECT_EQ(ParseDeviceTopic("$iothub/methods/res/0/?$rid=1", "d").kind, Kind::kMethodResponse);
}

TEST(DeviceTopicTest, Q16SenselessMethodResponsesAreIgnored) {
  for (const std::string_view topic :
       {"$iothub/methods/res/", "$iothub/methods/res/200", "$iothub/methods/res/200/", "$iothub/methods/res//?$rid=1",
        "$iothub/methods/res/2x/?$rid=1", "$iothub/methods/res/100000000000000000000/?$rid=1",
        "$iothub/methods/res/1234567/?$rid=1", "$iothub/methods/res/200/$rid=1", "$iothub/methods/res/200/?rid=1",
        "$iothub/methods/res/--1/?$rid=1", "$iothub/methods/res/+1/?$rid=1"}) {
    EXPECT_EQ(ParseDeviceTopic(topic, "d").kind, Kind::kIgnored) << topic;
  }
}

TEST(DeviceTopicTest, Q15SenselessTwinRequestsAreIgnored) {
  const std::string long_rid(kRequestIdBytesMax + 1, 'r');
  for (const std::string& query :
       std::vector<std::string>{"", "?", "?$rid=", "?x=1", "?$rid=1&$rid=2", "?$rid=" + long_rid, "$rid=1", "?$rid"}) {
    EXPECT_EQ(ParseDeviceTopic("$iothub/twin/GET/" + query, "d").kind, Kind::kIgnored) << query;
  }
  EXPECT_EQ(ParseDeviceTopic("$iothub/twin/PATCH/properties/reported/?$rid=1&$version=x", "d").kind, Kind::kIgnored);
}

TEST(DeviceTopicTest, RequestIdsAreOpaque) {
  const std::string longest(kRequestIdBytesMax, 'r');
  for (const std::string& rid : std::vector<std::string>{"5", "a-2", "x=y", "%2F/", "\xc3\xa9", longest}) {
    const std::string topic = "$iothub/twin/GET/?$rid=" + rid;
    EXPECT_EQ(ParseDeviceTopic(topic, "d").kind, Kind::kTwinRead);
    EXPECT_EQ(ParseDeviceTopic(topic, "d").request_id, rid);
  }
  EXPECT_EQ(ParseDeviceTopic("$iothub/twin/GET/?a=b&$rid=7&c", "d").request_id, "7");
}

TEST(DeviceTopicTest, TelemetryTopicsOfEverySdk) {
  for (const auto& [text, bag] : std::vector<std::pair<std::string, std::string>>{
           {"devices/dev-1/messages/events/%24.mid=m%201&a%20b=c%2Fd%26e%3Df", "%24.mid=m%201&a%20b=c%2Fd%26e%3Df"},
           {"devices/dev-1/messages/events/%24.mid=m1&a=b/", "%24.mid=m1&a=b"},
           {"devices/dev-1/messages/events/?a=b", "a=b"},
           {"devices/dev-1/messages/events/", ""},
           {"devices/dev-1/messages/events", ""}}) {
    const DeviceTopic topic = ParseDeviceTopic(text, "dev-1");
    EXPECT_EQ(topic.kind, Kind::kTelemetry) << text;
    EXPECT_EQ(topic.properties, bag);
    EXPECT_TRUE(IsPropertyBag(topic.properties));
  }
}

TEST(DeviceTopicTest, TelemetryOfAModule) {
  for (const std::string_view text :
       {"devices/dev-1/modules/mod/messages/events/$.mid=m1&$.on=out1/", "devices/dev-1/modules/mod/messages/events"}) {
    EXPECT_EQ(ParseDeviceTopic(text, "dev-1/mod").kind, Kind::kTelemetry) << text;
    EXPECT_EQ(ParseDeviceTopic(text, "dev-1").kind, Kind::kForbidden) << text;
  }
  EXPECT_EQ(ParseDeviceTopic("devices/dev-1/modules/mod/messages/events/$.mid=m1&$.on=out1/", "dev-1/mod").properties,
            "$.mid=m1&$.on=out1");
  for (const std::string_view text :
       {"devices/dev-1/messages/events/", "devices/dev-1/modules/other/messages/events/",
        "devices/dev-1/mod/messages/events/", "devices/other/modules/mod/messages/events/"}) {
    EXPECT_EQ(ParseDeviceTopic(text, "dev-1/mod").kind, Kind::kForbidden) << text;
  }
}

TEST(DeviceTopicTest, DPub4And5EverythingElseIsForbidden) {
  for (const std::string_view topic :
       {"", "x", "devices/other/messages/events/", "devices/dev-10/messages/events/", "devices/dev-1/messages/eventsx",
        "/devices/dev-1/messages/events/", "devices/dev-1/messages/devicebound/", "devices/dev-1",
        "$iothub/methods/POST/lockDoor/?$rid=1", "$iothub/twin/res/200/?$rid=1", "$iothub/",
        "/$iothub/twin/GET/?$rid=1", "$iothub/twin/GET?$rid=1", "$iothub/twin/PATCH/properties/desired/?$version=1",
        "$IOTHUB/twin/GET/?$rid=1"}) {
    EXPECT_EQ(ParseDeviceTopic(topic, "dev-1").kind, Kind::kForbidden) << topic;
  }
}

TEST(PropertyTest, NameAloneHasNoValue) {
  PropertyReader reader("a&b=&c=d=e");
  Property property;
  ASSERT_TRUE(reader.Next(&property));
  EXPECT_EQ(property.name, "a");
  EXPECT_FALSE(property.value.has_value());
  ASSERT_TRUE(reader.Next(&property));
  EXPECT_EQ(property.value, "");
  ASSERT_TRUE(reader.Next(&property));
  EXPECT_EQ(property.name, "c");
  EXPECT_EQ(property.value, "d=e");
  EXPECT_FALSE(reader.Next(&property));
}

TEST(PropertyTest, Q14BrokenBagsAreRefused) {
  EXPECT_FALSE(IsPropertyBag("a=%"));
  EXPECT_FALSE(IsPropertyBag("a=%4"));
  EXPECT_FALSE(IsPropertyBag("%zz=1"));
  EXPECT_FALSE(IsPropertyBag("=1"));
  EXPECT_FALSE(IsPropertyBag("a=1&&b=2"));
  std::string bag = "p=1";
  for (int i = 1; i < kPropertiesMax; ++i) bag += "&p=1";
  EXPECT_TRUE(IsPropertyBag(bag));
  EXPECT_FALSE(IsPropertyBag(bag + "&p=1"));
}

TEST(PercentTest, PlusIsAPlus) {
  EXPECT_EQ(PercentDecode("a+b%20c%2f%2F"), "a+b c//");
  EXPECT_FALSE(PercentDecode("%2").has_value());
  EXPECT_FALSE(PercentDecode("%").has_value());
  EXPECT_FALSE(PercentDecode("%g0").has_value());
}

TEST(PercentTest, EncodesEverythingOutsideUnreserved) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    std::string encoded;
    PercentEncode(text, &encoded);
    EXPECT_EQ(encoded.size(), PercentEncodedSize(text));
    EXPECT_TRUE(encoded == text || encoded.size() == 3);
    EXPECT_EQ(PercentDecode(encoded), text);
  }
  std::string encoded;
  PercentEncode("set+point#1~", &encoded);
  EXPECT_EQ(encoded, "set%2Bpoint%231~");
}

TEST(CallIdTest, RoundTrip) {
  for (const uint64_t id : {uint64_t{0}, uint64_t{1}, uint64_t{0x1f}, uint64_t{0xdeadbeef}, UINT64_MAX}) {
    EXPECT_EQ(ParseCallId(FormatCallId(id)), id);
  }
  EXPECT_EQ(FormatCallId(0x1F), "1f");
  EXPECT_EQ(FormatCallId(UINT64_MAX), "ffffffffffffffff");
}

TEST(CallIdTest, OnlyOneSpellingExists) {
  for (const std::string_view text : {"", "01", "1F", "0x1", "1 ", "10000000000000000", "-1", "g"}) {
    EXPECT_FALSE(ParseCallId(text).has_value()) << text;
  }
}

// The one PUBLISH in `bytes`.
Publish DecodePublish(std::string_view bytes) {
  PacketReader reader;
  Packet packet;
  EXPECT_EQ(reader.Next(kClientLimits, &bytes, &packet), PacketReader::Result::kPacket);
  EXPECT_TRUE(bytes.empty());
  return std::get<Publish>(packet);
}

TEST(MessagesTest, TracesOfSection9) {
  using namespace std::string_literals;
  std::string bytes;
  AppendMethodRequest("lockDoor", 1, R"({"d":3})", &bytes);
  EXPECT_EQ(bytes, "\x30\x2e\0\x25$iothub/methods/POST/lockDoor/?$rid=1{\"d\":3}"s);

  bytes.clear();
  AppendDesiredChange(9, R"({"interval":9,"$version":9})", &bytes);
  EXPECT_EQ(bytes, "\x30\x4e\0\x31$iothub/twin/PATCH/properties/desired/?$version=9{\"interval\":9,\"$version\":9}"s);

  bytes.clear();
  AppendTwinResponse(204, "9", 4, "", &bytes);
  EXPECT_EQ(bytes, "\x30\x29\0\x27$iothub/twin/res/204/?$rid=9&$version=4"s);
}

TEST(MessagesTest, TheClientReadsWhatTheHubWrites) {
  std::string bytes;
  AppendMethodRequest("set+point", 0xabc, "null", &bytes);
  Publish publish = DecodePublish(bytes);
  HubTopic topic = ParseHubTopic(publish.topic);
  EXPECT_EQ(topic.kind, HubTopic::Kind::kMethodRequest);
  EXPECT_EQ(topic.method, "set%2Bpoint");
  EXPECT_EQ(topic.request_id, "abc");
  EXPECT_EQ(publish.payload, "null");
  EXPECT_EQ(publish.qos, 0);
  EXPECT_FALSE(publish.retain);

  bytes.clear();
  AppendTwinResponse(200, "5d-x", std::nullopt, "{}", &bytes);
  publish = DecodePublish(bytes);
  topic = ParseHubTopic(publish.topic);
  EXPECT_EQ(topic.kind, HubTopic::Kind::kTwinResponse);
  EXPECT_EQ(topic.status, 200);
  EXPECT_EQ(topic.request_id, "5d-x");
  EXPECT_FALSE(topic.version.has_value());

  bytes.clear();
  AppendDesiredChange(12, "{}", &bytes);
  topic = ParseHubTopic(DecodePublish(bytes).topic);
  EXPECT_EQ(topic.kind, HubTopic::Kind::kDesiredChange);
  EXPECT_EQ(topic.version, 12);
}

TEST(MessagesTest, TheHubReadsWhatTheClientWrites) {
  std::string bytes;
  AppendMethodResponse(200, "1f", "{}", uint16_t{7}, &bytes);
  Publish publish = DecodePublish(bytes);
  EXPECT_EQ(publish.qos, 1);
  EXPECT_EQ(publish.packet_id, 7);
  EXPECT_EQ(publish.payload, "{}");
  EXPECT_EQ(ParseDeviceTopic(publish.topic, "d").kind, Kind::kMethodResponse);

  bytes.clear();
  AppendTwinRead("8", std::nullopt, &bytes);
  publish = DecodePublish(bytes);
  EXPECT_EQ(publish.qos, 0);
  EXPECT_EQ(ParseDeviceTopic(publish.topic, "d").kind, Kind::kTwinRead);

  bytes.clear();
  AppendReportedPatch("9", R"({"fw":"1.1"})", std::nullopt, &bytes);
  publish = DecodePublish(bytes);
  EXPECT_EQ(ParseDeviceTopic(publish.topic, "d").kind, Kind::kReportedPatch);
  EXPECT_EQ(publish.payload, R"({"fw":"1.1"})");
}

TEST(HubTopicTest, OtherTopicsAreUnknown) {
  for (const std::string_view topic : {"", "x", "$iothub/methods/POST/lock", "$iothub/methods/POST/lock/",
                                       "$iothub/twin/res/x/?$rid=1", "$iothub/twin/PATCH/properties/desired/"}) {
    EXPECT_EQ(ParseHubTopic(topic).kind, HubTopic::Kind::kUnknown) << topic;
  }
}

}  // namespace
}  // namespace fleetcast::mqtt
