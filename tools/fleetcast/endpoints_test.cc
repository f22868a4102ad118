#include "tools/fleetcast/endpoints.h"

#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "tools/fleetcast/dev/dev_env.h"

namespace fleetcast::cli {
namespace {

class EndpointsTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(testing::TempDir()) / ("endpoints." + std::to_string(getpid()));
    std::filesystem::create_directories(root_ / "deep" / "below");
    std::filesystem::create_directories(root_ / ".local");
    dev::DevEnv env;
    env.grpc_jobs = "127.0.0.1:1";
    env.grpc_twins = "127.0.0.1:2";
    env.grpc_methods = "127.0.0.1:3";
    env.grpc_sessions = "127.0.0.1:4";
    ASSERT_TRUE(dev::WriteDevEnv(root_ / ".local" / "dev.env", env).ok());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  Environment FromMap() {
    return [this](std::string_view name) -> std::optional<std::string> {
      const auto found = variables_.find(std::string(name));
      return found == variables_.end() ? std::nullopt : std::optional(found->second);
    };
  }

  std::filesystem::path root_;
  std::map<std::string, std::string> variables_;
};

TEST_F(EndpointsTest, FlagsBeatVariablesBeatTheDevelopmentStack) {
  variables_["FLEETCAST_GRPC_TWINS"] = "variable:2";
  const auto found = FindEndpoints({.jobs = "flag:1", .twins = "", .methods = "", .sessions = ""}, FromMap(), "",
                                   root_ / "deep" / "below");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->jobs, "flag:1");
  EXPECT_EQ(found->twins, "variable:2");
  EXPECT_EQ(found->methods, "127.0.0.1:3");
  EXPECT_EQ(found->sessions, "127.0.0.1:4");
}

TEST_F(EndpointsTest, AnEnvFileThatWasNamedMustBeThere) {
  EXPECT_TRUE(absl::IsInvalidArgument(FindEndpoints({}, FromMap(), root_ / "none.env", root_).status()));
}

TEST_F(EndpointsTest, NothingIsKnownWhereNothingRuns) {
  const auto found = FindEndpoints({}, FromMap(), "", "/");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->jobs, "");
}

}  // namespace
}  // namespace fleetcast::cli
