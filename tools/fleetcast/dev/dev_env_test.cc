#include "tools/fleetcast/dev/dev_env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetcast::dev {
namespace {

using testing::HasSubstr;

DevEnv Example() {
  DevEnv env;
  env.host = "127.0.0.1";
  env.rest_port = 443;
  env.mqtts_port = 8883;
  env.mqtt_port = 1883;
  env.mqtt_ports = {1883, 20017};
  env.grpc_jobs = "127.0.0.1:20001";
  env.connection_string = "HostName=127.0.0.1;SharedAccessKeyName=iothubowner;SharedAccessKey=aGk=";
  env.data_dir = "/home/it's me/data";
  env.pids = {{"postgres", 12}, {"job_api", 13}};
  return env;
}

TEST(DevEnvTest, WritesShellAssignments) {
  const std::string text = FormatDevEnv(Example());
  EXPECT_THAT(text, HasSubstr("FLEETCAST_HOST=127.0.0.1\n"));
  EXPECT_THAT(text, HasSubstr("FLEETCAST_REST_PORT=443\n"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "FLEETCAST_CONNECTION_STRING='HostName=127.0.0.1;SharedAccessKeyName=iothubowner;SharedAccessKey=aGk='\n"));
  EXPECT_THAT(text, HasSubstr("FLEETCAST_MQTT_PORTS=1883,20017\n"));
  EXPECT_THAT(text, HasSubstr("FLEETCAST_PIDS='postgres=12 job_api=13'\n"));
  EXPECT_THAT(text, HasSubstr("FLEETCAST_DATA_DIR='/home/it'\\''s me/data'\n"));
}

TEST(DevEnvTest, ReadsWhatItWrites) {
  const auto env = ParseDevEnv(FormatDevEnv(Example()));
  ASSERT_TRUE(env.ok()) << env.status();
  EXPECT_EQ(FormatDevEnv(*env), FormatDevEnv(Example()));
  EXPECT_EQ(env->pids, Example().pids);
}

TEST(DevEnvTest, IgnoresUnknownNamesAndRefusesBadValues) {
  EXPECT_TRUE(ParseDevEnv("SOMETHING=else\n\nFLEETCAST_HOST=h\n").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(ParseDevEnv("FLEETCAST_REST_PORT=many\n").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ParseDevEnv("FLEETCAST_PIDS='a=b'\n").status()));
}

TEST(DevEnvTest, TheBannerWarnsOfPortsThatSdksCannotUse) {
  DevEnv env = Example();
  EXPECT_THAT(FormatBanner(env, "dev.env"), testing::Not(HasSubstr("not 443")));
  env.rest_port = 8443;
  EXPECT_THAT(FormatBanner(env, "dev.env"), HasSubstr("not 443"));
}

}  // namespace
}  // namespace fleetcast::dev
