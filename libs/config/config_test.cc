#include "libs/config/config.h"

#include <fstream>
#include <map>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fleetcast::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Config {
  std::string listen = "127.0.0.1:0";
  std::string database;
  std::string format = "json";
  int64_t inflight_max = 5000;
  int workers = 4;
  double share = 0.5;
  bool migrate = false;
  absl::Duration grace = absl::Seconds(5);
  std::vector<std::string> peers;
  std::string policy_path;
  std::string key;
};

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    settings_.Text("listen", &config_.listen, {.required = true}, "Address");
    settings_.Text("database", &config_.database, {.secret = true}, "Connection string");
    settings_.Text("log-format", &config_.format, {.one_of = {"json", "console"}}, "Form of logs");
    settings_.Number("inflight-max", &config_.inflight_max, {.min = 1, .max = 100'000}, "Open calls");
    settings_.Number("workers", &config_.workers, {.min = 1}, "Threads");
    settings_.Fraction("share", &config_.share, 0, 1, "Share");
    settings_.Flag("migrate", &config_.migrate, "Migrate first");
    settings_.Time("grace", &config_.grace, {.max = absl::Minutes(1)}, "Grace");
    settings_.List("peers", &config_.peers, {.count_max = 3}, "Addresses");
    settings_.File("policy-file", &config_.policy_path, {.bytes_max = 10}, "Policies");
    settings_.SecretFile("key-file", &config_.key, {}, "Key");
  }

  ParseResult Parse(const std::vector<std::string>& arguments) {
    return settings_.Parse(arguments, [this](std::string_view name) -> std::optional<std::string> {
      const auto found = environment_.find(name);
      if (found == environment_.end()) return std::nullopt;
      return found->second;
    });
  }

  static std::string WriteFile(const std::string& name, const std::string& content) {
    const std::string path = ::testing::TempDir() + name;
    std::ofstream(path) << content;
    return path;
  }

  Config config_;
  Settings settings_{"fleetcast-test", "a test"};
  std::map<std::string, std::string, std::less<>> environment_;
};

TEST_F(SettingsTest, KeepsDefaultsWhenNothingIsGiven) {
  const ParseResult result = Parse({});
  EXPECT_TRUE(result.run);
  EXPECT_EQ(config_.inflight_max, 5000);
  EXPECT_THAT(config_.peers, IsEmpty());
}

TEST_F(SettingsTest, ReadsEveryKindFromFlags) {
  const ParseResult result = Parse({"--listen", "0.0.0.0:1", "--inflight-max=7", "--workers", "2", "--share=0.25",
                                    "--migrate", "--grace", "1m", "--peers", "a:1, b:2,", "--peers=c:3"});
  ASSERT_TRUE(result.run) << result.err;
  EXPECT_EQ(config_.listen, "0.0.0.0:1");
  EXPECT_EQ(config_.inflight_max, 7);
  EXPECT_EQ(config_.workers, 2);
  EXPECT_EQ(config_.share, 0.25);
  EXPECT_TRUE(config_.migrate);
  EXPECT_EQ(config_.grace, absl::Minutes(1));
  EXPECT_THAT(config_.peers, ElementsAre("a:1", "b:2", "c:3"));
}

TEST_F(SettingsTest, PrefersTheFlagToTheVariableAndTheVariableToTheDefault) {
  environment_ = {{"FLEETCAST_INFLIGHT_MAX", "10"}, {"FLEETCAST_WORKERS", "8"}, {"FLEETCAST_LISTEN", ""}};
  ASSERT_TRUE(Parse({"--workers=9"}).run);
  EXPECT_EQ(config_.inflight_max, 10);
  EXPECT_EQ(config_.workers, 9);
  EXPECT_EQ(config_.listen, "127.0.0.1:0");
}

TEST_F(SettingsTest, SetsAFlagToFalse) {
  config_.migrate = true;
  ASSERT_TRUE(Parse({"--migrate=false"}).run);
  EXPECT_FALSE(config_.migrate);
}

TEST_F(SettingsTest, ReportsAllMistakesTogether) {
  environment_ = {{"FLEETCAST_GRACE", "5 parsecs"}};
  const ParseResult result =
      Parse({"--inflight-max", "0", "--workers=16x", "--share=nan", "--unknown", "x", "stray", "--log-format=xml",
             "--peers=a,b,c,d", "--migrate=perhaps", "--policy-file", "/does/not/exist", "--listen"});
  EXPECT_FALSE(result.run);
  EXPECT_EQ(result.exit_code, kExitBadConfig);
  EXPECT_THAT(result.err, HasSubstr("11 mistakes"));
  EXPECT_THAT(result.err, HasSubstr("--inflight-max='0' must be in 1..100000"));
  EXPECT_THAT(result.err, HasSubstr("--workers='16x' is not a whole number"));
  EXPECT_THAT(result.err, HasSubstr("FLEETCAST_GRACE='5 parsecs' is not a time"));
  EXPECT_THAT(result.err, HasSubstr("--unknown is unknown"));
  EXPECT_THAT(result.err, HasSubstr("--listen needs a value"));
  EXPECT_THAT(result.err, HasSubstr("must be one of json, console"));
  EXPECT_THAT(result.err, HasSubstr("cannot read the file /does/not/exist"));
}

TEST_F(SettingsTest, AsksForWhatIsMissing) {
  config_.listen = "";
  const ParseResult result = Parse({});
  EXPECT_EQ(result.exit_code, kExitBadConfig);
  EXPECT_THAT(result.err, HasSubstr("--listen is required: Address; give --listen or set FLEETCAST_LISTEN"));
}

TEST_F(SettingsTest, AppliesRulesOverGoodValues) {
  settings_.Rule([this] { return config_.workers > config_.inflight_max ? "too many workers" : ""; });
  EXPECT_THAT(Parse({"--workers=9", "--inflight-max=8"}).err, HasSubstr("too many workers"));
}

TEST_F(SettingsTest, RefusesAFlagGivenTwice) {
  EXPECT_THAT(Parse({"--workers=9", "--workers=8"}).err, HasSubstr("given twice"));
}

TEST_F(SettingsTest, ReadsASecretFromItsFile) {
  ASSERT_TRUE(Parse({"--key-file", WriteFile("key", "s3cret\n")}).run);
  EXPECT_EQ(config_.key, "s3cret");
}

TEST_F(SettingsTest, RefusesFilesThatAreTooLargeOrEmpty) {
  const ParseResult result =
      Parse({"--policy-file", WriteFile("large", "12345678901"), "--key-file", WriteFile("empty", "\n")});
  EXPECT_THAT(result.err, HasSubstr("larger than 10 bytes"));
  EXPECT_THAT(result.err, HasSubstr("is empty"));
}

TEST_F(SettingsTest, NeverShowsSecrets) {
  const std::string key_file = WriteFile("shown-key", "s3cret");
  const ParseResult result = Parse({"--database=postgresql://u:pw@h/d", "--key-file", key_file, "--print-config"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_FALSE(result.run);
  EXPECT_THAT(result.out, HasSubstr("database=***\n"));
  EXPECT_THAT(result.out, HasSubstr("key-file=" + key_file + "\n"));
  EXPECT_THAT(result.out, Not(HasSubstr("s3cret")));
  EXPECT_THAT(result.out, HasSubstr("inflight-max=5000\n"));
}

TEST_F(SettingsTest, ExplainsItself) {
  const ParseResult result = Parse({"--help", "--unknown"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_FALSE(result.run);
  EXPECT_THAT(result.out, HasSubstr("--inflight-max NUMBER 1..100000   FLEETCAST_INFLIGHT_MAX"));
  EXPECT_THAT(result.out, HasSubstr("Open calls (default 5000)"));
}

TEST_F(SettingsTest, TellsItsVersion) { EXPECT_THAT(Parse({"--version"}).out, HasSubstr("fleetcast-test ")); }

}  // namespace
}  // namespace fleetcast::config
