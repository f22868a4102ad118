#include "libs/testing/private_server.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>

#include "libs/redis/client.h"
#include "libs/testing/private_postgres.h"
#include "libs/testing/private_redis.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::testing {
namespace {

TEST(PrivateServerTest, IsGoneWithItsDirectoryAfterwards) {
  std::filesystem::path directory;
  {
    PrivateServer server("test");
    directory = server.directory();
    server.Start({"sh", "-c", "echo up; exec tail -f /dev/null"}, "log", "KILL");
    EXPECT_TRUE(WaitFor([&] { return server.ReadFile("log") == "up\n"; }));
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
}

TEST(PrivateServerTest, IsGoneAlsoWhenTheTestIsKilled) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    PrivateServer server("test");
    server.Start({"tail", "-f", "/dev/null"}, "log", "KILL");
    const std::string path = server.directory();
    (void)!write(ends[1], path.c_str(), path.size() + 1);
    pause();
  }
  char path[256] = {};
  ASSERT_GT(read(ends[0], path, sizeof(path) - 1), 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(WaitFor([&] { return !std::filesystem::exists(path); }));
}

TEST(PrivatePostgresTest, GivesDatabases) {
  const std::string first = PrivatePostgres::Shared().NewDatabase();
  EXPECT_NE(first, PrivatePostgres::Shared().NewDatabase());
}

TEST(PrivateServerTest, StartsAgainInTheSameDirectory) {
  PrivateServer server("test");
  const std::string words = server.directory() / "words";
  std::string expected;
  for (const std::string word : {"first", "second"}) {
    server.Start({"sh", "-c", "echo $0 >>$1; cat $1; exec tail -f /dev/null", word, words}, "log", "KILL");
    expected += word + "\n";
    EXPECT_TRUE(WaitFor([&] { return server.ReadFile("log") == expected; }));
    server.Stop();
  }
}

TEST(PrivateRedisTest, HasASocket) {
  PrivateRedis redis;
  EXPECT_TRUE(std::filesystem::exists(redis.address().substr(std::strlen("unix:"))));
}

TEST(PrivateRedisTest, ADurableOneRemembersWhatItHasAnswered) {
  for (const PrivateRedis::Memory memory : {PrivateRedis::Memory::kVolatile, PrivateRedis::Memory::kDurable}) {
    PrivateRedis redis(memory);
    const auto client = *redis::Client::Create({.address = redis.address(), .connections = 1}, SystemClock());
    ASSERT_TRUE(client->Run({"SET", "key", "value"}, absl::Seconds(10)).ok());
    redis.Kill();
    redis.Start();
    const auto reply = client->Run({"GET", "key"}, absl::Seconds(10));
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->text, memory == PrivateRedis::Memory::kDurable ? "value" : "");
  }
}

}  // namespace
}  // namespace fleetcast::testing
