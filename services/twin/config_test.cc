#include "services/twin/config.h"

#include <gtest/gtest.h>

#include <fstream>

namespace fleetcast::twin {
namespace {

config::ParseResult Parse(const std::vector<std::string>& more) {
  Config config;
  config::Settings settings("fleetcast-twin", "");
  config.Declare(settings);
  std::vector<std::string> arguments = {"--postgres", "postgresql://x"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return settings.Parse(arguments, [](std::string_view) { return std::nullopt; });
}

std::string FileWith(const std::string& text) {
  const std::string path = ::testing::TempDir() + "/twin_config_test_keys";
  std::ofstream(path) << text;
  return path;
}

TEST(ConfigTest, ServesOnlyWithAKeyEncryptionKey) {
  const config::ParseResult without = Parse({});
  EXPECT_EQ(without.exit_code, config::kExitBadConfig);
  EXPECT_NE(without.err.find("--key-encryption-key-file is needed"), std::string::npos);
  const std::string good = FileWith("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n");
  EXPECT_TRUE(Parse({"--key-encryption-key-file", good}).run);
  EXPECT_TRUE(Parse({"--migrate"}).run);
}

TEST(ConfigTest, RefusesABadKeyFileWithoutRepeatingIt) {
  for (const char* text : {"c2hvcnQtc2VjcmV0", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nc2hvcnQtc2VjcmV0\n"}) {
    const config::ParseResult result = Parse({"--key-encryption-key-file", FileWith(text)});
    EXPECT_EQ(result.exit_code, config::kExitBadConfig);
    EXPECT_NE(result.err.find("base64 of 32 bytes"), std::string::npos);
    EXPECT_EQ(result.err.find("c2hvcnQ"), std::string::npos);
  }
  EXPECT_EQ(Parse({"--key-encryption-key-file", "/nowhere/keys"}).exit_code, config::kExitBadConfig);
}

}  // namespace
}  // namespace fleetcast::twin
