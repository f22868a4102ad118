#include "services/mqtt_edge/config.h"

#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace fleetcast::mqtt_edge {
namespace {

config::ParseResult Parse(const std::vector<std::string>& more) {
  Config config;
  config::Settings settings("fleetcast-mqtt-edge", "");
  config.Declare(settings);
  std::vector<std::string> arguments = {
      "--edge-id",      "e",          "--device-connection-addresses", "127.0.0.1:1", "--tls-listen=",
      "--plain-listen", "127.0.0.1:0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return settings.Parse(arguments, [](std::string_view) { return std::nullopt; });
}

TEST(ConfigTest, TheTelemetrySinkIsOffUnlessARedisIsNamed) {
  EXPECT_TRUE(Config().telemetry_redis.empty());
  EXPECT_TRUE(Parse({}).run);
  EXPECT_TRUE(Parse({"--telemetry-redis", "redis:6379"}).run);
  EXPECT_TRUE(Parse({"--telemetry-redis", "unix:/run/redis.sock", "--telemetry-stream", "events"}).run);
}

TEST(ConfigTest, RefusesABadRedisWithoutRepeatingIt) {
  for (const char* address : {"redis://:hunter2@redis:6379", "hunter2@redis:6379", "hunter2", "hunter2:0"}) {
    const config::ParseResult result = Parse({"--telemetry-redis", address});
    EXPECT_EQ(result.exit_code, config::kExitBadConfig) << address;
    EXPECT_NE(result.err.find("--telemetry-redis must be"), std::string::npos) << result.err;
    EXPECT_EQ(result.err.find("hunter2"), std::string::npos) << result.err;
  }
}

TEST(ConfigTest, BoundsOfTheTelemetrySinkAreChecked) {
  for (const char* flag :
       {"--telemetry-stream=", "--telemetry-stream-entries-max=-1", "--telemetry-queue-bytes=1048575"}) {
    EXPECT_EQ(Parse({flag}).exit_code, config::kExitBadConfig) << flag;
  }
  EXPECT_TRUE(Parse({"--telemetry-stream-entries-max=0", "--telemetry-queue-bytes=1048576"}).run);
}

TEST(ConfigTest, AUserOfRedisHasAPassword) {
  const config::ParseResult without = Parse({"--telemetry-redis", "redis:6379", "--telemetry-redis-user", "edge"});
  EXPECT_NE(without.err.find("--telemetry-redis-user needs"), std::string::npos) << without.err;
  const std::string file = ::testing::TempDir() + "/mqtt_edge_config_test_password";
  std::ofstream(file) << "secret\n";
  EXPECT_TRUE(Parse({"--telemetry-redis", "redis:6379", "--telemetry-redis-user", "edge",
                     "--telemetry-redis-password-file", file})
                  .run);
}

}  // namespace
}  // namespace fleetcast::mqtt_edge
