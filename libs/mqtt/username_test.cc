#include "libs/mqtt/username.h"

#include <string>

#include "gtest/gtest.h"

namespace fleetcast::mqtt {
namespace {

TEST(UsernameTest, NodeSdk) {
  const auto username = ParseUsername(
      "hub.test.local/dev-1/?api-version=2021-04-12&DeviceClientType=azure-iot-device%2F1.18.4%20(node%20v20.20.2%3B%20"
      "Debian%2012%3B%20x64)");
  ASSERT_TRUE(username.has_value());
  EXPECT_EQ(username->host, "hub.test.local");
  EXPECT_EQ(username->device_id, "dev-1");
  EXPECT_EQ(username->module_id, "");
  EXPECT_EQ(username->api_version, "2021-04-12");
  EXPECT_EQ(username->product_info, "azure-iot-device/1.18.4 (node v20.20.2; Debian 12; x64)");
}

TEST(UsernameTest, CSdkWritesLowerCaseHexAndTheModelLast) {
  const auto username = ParseUsername(
      "hub.test.local/dev-1/?api-version=2020-09-30&DeviceClientType=iothubclient%2f1.15.0%20(native%3b%20Linux%3b%20"
      "x86_64)&model-id=dtmi%3acom%3aexample%3bTherm%3b1");
  ASSERT_TRUE(username.has_value());
  EXPECT_EQ(username->product_info, "iothubclient/1.15.0 (native; Linux; x86_64)");
  EXPECT_EQ(username->model_id, "dtmi:com:example;Therm;1");
}

TEST(UsernameTest, Modules) {
  const auto username = ParseUsername("hub/dev-1/mod-a/?api-version=2021-04-12");
  ASSERT_TRUE(username.has_value());
  EXPECT_EQ(username->device_id, "dev-1");
  EXPECT_EQ(username->module_id, "mod-a");
  EXPECT_EQ(ParseUsername("hub/dev-1/mod-a")->module_id, "mod-a");
}

TEST(UsernameTest, FormsWithoutQuestionMarkOrQuery) {
  EXPECT_EQ(ParseUsername("hub/dev-1/api-version=2016-11-14")->api_version, "2016-11-14");
  EXPECT_EQ(ParseUsername("hub/dev-1/api-version=2016-11-14")->module_id, "");
  EXPECT_EQ(ParseUsername("hub/dev-1/")->device_id, "dev-1");
  EXPECT_EQ(ParseUsername("hub/dev-1")->device_id, "dev-1");
  EXPECT_EQ(ParseUsername("hub/dev-1/?")->device_id, "dev-1");
}

TEST(UsernameTest, DUsr1MissingApiVersionAndUnknownParametersAreAccepted) {
  const auto username = ParseUsername("hub/dev-1/?foo=bar&api-version");
  ASSERT_TRUE(username.has_value());
  EXPECT_EQ(username->api_version, "");
}

TEST(UsernameTest, FirstOfARepeatedParameterCounts) {
  EXPECT_EQ(ParseUsername("hub/d/?api-version=1&api-version=2")->api_version, "1");
}

TEST(UsernameTest, WhatIsNoTextOnceDecodedIsRefused) {
  for (const char* value : {"%ff", "%c3", "%ed%a0%80", "%00", "a%0ab"}) {
    for (const char* name : {"api-version", "DeviceClientType", "model-id"}) {
      EXPECT_FALSE(ParseUsername(std::string("hub/d/?") + name + "=" + value).has_value()) << name << value;
    }
  }
  EXPECT_EQ(ParseUsername("hub/d/?model-id=%c3%a9")->model_id, "\xc3\xa9");
}

TEST(UsernameTest, IdsAreNotDecoded) { EXPECT_EQ(ParseUsername("hub/a%20b/?api-version=1")->device_id, "a%20b"); }

TEST(UsernameTest, DUsr4GrammarFailures) {
  const std::string too_long = "hub/" + std::string(kUsernameBytesMax, 'd');
  for (const std::string_view text :
       {std::string_view(""), std::string_view("hub"), std::string_view("/dev-1"), std::string_view("hub/"),
        std::string_view("hub//"), std::string_view("hub/a/b/c"), std::string_view("hub/a//?api-version=1"),
        std::string_view("hub/a/?api-version=%"), std::string_view("hub/a/b/c/?x"),
        std::string_view("hub/?api-version=1"), std::string_view(too_long)}) {
    EXPECT_FALSE(ParseUsername(text).has_value()) << text;
  }
}

TEST(UsernameTest, ReadsWhatItFormats) {
  const auto username = ParseUsername(FormatUsername("hub.local", "dev-1", "2021-04-12", "fleetsim/1 (x; y)"));
  ASSERT_TRUE(username.has_value());
  EXPECT_EQ(username->device_id, "dev-1");
  EXPECT_EQ(username->product_info, "fleetsim/1 (x; y)");
}

TEST(IdTest, DCid2IdsThatTopicsCannotCarryAreRefused) {
  EXPECT_TRUE(IsUsableId("dev-1"));
  EXPECT_TRUE(IsUsableId("aZ0-:._%*?!(),=@;$'"));
  EXPECT_TRUE(IsUsableId(std::string(kIdBytesMax, 'x')));
  for (const std::string& id : {std::string(), std::string(kIdBytesMax + 1, 'x'), std::string("a+b"), std::string("a#"),
                                std::string("a/b"), std::string("a b"), std::string("\xc3\xa9")}) {
    EXPECT_FALSE(IsUsableId(id)) << id;
  }
}

}  // namespace
}  // namespace fleetcast::mqtt
