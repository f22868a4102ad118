#include "libs/redis/client.h"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "libs/testing/private_redis.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::redis {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(20);

const Script& SetAndGet() {
  static const auto& script = *new Script("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])");
  return script;
}

class ClientTest : public ::testing::Test {
 protected:
  std::unique_ptr<Client> Connect(int connections = 2) {
    auto client = Client::Create({.address = redis_->address(), .connections = connections}, SystemClock());
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }
  static std::string Text(const absl::StatusOr<Reply>& reply) {
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? reply->text : "";
  }

  std::optional<testing::PrivateRedis> redis_{std::in_place};
};

TEST_F(ClientTest, AnswersEveryCommandOfAPipelineInOrder) {
  const auto client = Connect();
  Pipeline pipeline;
  pipeline.Add({"SET", "key", std::string("a\0b", 3)});
  pipeline.Add({"GET", "key"});
  pipeline.Add({"GET", "absent"});
  pipeline.Add({"INCRBY", "counter", "5"});
  pipeline.Add({"MGET", "key", "absent"});
  const auto replies = client->Run(pipeline, kTimeout);
  ASSERT_TRUE(replies.ok()) << replies.status();
  EXPECT_EQ((*replies)[0].text, "OK");
  EXPECT_EQ((*replies)[1].text, std::string("a\0b", 3));
  EXPECT_TRUE((*replies)[2].is_nil());
  EXPECT_EQ((*replies)[3].integer, 5);
  ASSERT_EQ((*replies)[4].elements.size(), 2u);
  EXPECT_TRUE((*replies)[4].elements[1].is_nil());
}

TEST_F(ClientTest, RunsTenThousandCommandsAndRefusesMore) {
  const auto client = Connect();
  Pipeline pipeline;
  for (size_t i = 0; i < Pipeline::kCommandsMax; ++i) pipeline.Add({"SET", "key", std::string(1000, 'x')});
  const auto replies = client->Run(pipeline, kTimeout);
  ASSERT_TRUE(replies.ok()) << replies.status();
  EXPECT_EQ(replies->size(), Pipeline::kCommandsMax);
  pipeline.Add({"PING"});
  EXPECT_TRUE(absl::IsInvalidArgument(client->Run(pipeline, kTimeout).status()));
}

TEST_F(ClientTest, RunsScriptsAndLoadsThemAgainAfterTheyWereLost) {
  const auto client = Connect();
  for (int round = 0; round < 2; ++round) {
    Pipeline pipeline;
    pipeline.AddScript(SetAndGet(), {"a"}, {"1"});
    pipeline.Add({"PING"});
    pipeline.AddScript(SetAndGet(), {"b"}, {"2"});
    const auto replies = client->Run(pipeline, kTimeout);
    ASSERT_TRUE(replies.ok()) << replies.status();
    EXPECT_EQ((*replies)[0].text, "1");
    EXPECT_EQ((*replies)[1].text, "PONG");
    EXPECT_EQ((*replies)[2].text, "2");
    ASSERT_TRUE(client->Run({"SCRIPT", "FLUSH"}, kTimeout).ok());
  }
}

TEST_F(ClientTest, AnErrorReplyFailsTheCallAndKeepsTheConnection) {
  const auto client = Connect(1);
  ASSERT_EQ(Text(client->Run({"SET", "text", "x"}, kTimeout)), "OK");
  EXPECT_TRUE(absl::IsInternal(client->Run({"INCR", "text"}, kTimeout).status()));
  EXPECT_EQ(Text(client->Run({"GET", "text"}, kTimeout)), "x");
}

TEST_F(ClientTest, ReplacesAConnectionThatRedisClosed) {
  const auto client = Connect(1);
  const auto other = Connect(1);
  ASSERT_EQ(Text(client->Run({"PING"}, kTimeout)), "PONG");
  ASSERT_TRUE(other->Run({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}, kTimeout).ok());
  EXPECT_EQ(Text(client->Run({"PING"}, kTimeout)), "PONG");
}

TEST_F(ClientTest, GivesUpAtTheDeadlineAndWorksAfterwards) {
  const auto client = Connect(1);
  const absl::Duration before = SystemClock().Monotonic();
  EXPECT_TRUE(absl::IsDeadlineExceeded(client->Run({"BLPOP", "absent", "60"}, absl::Milliseconds(50)).status()));
  EXPECT_LT(SystemClock().Monotonic() - before, absl::Seconds(30));
  EXPECT_EQ(Text(client->Run({"PING"}, kTimeout)), "PONG");
}

TEST_F(ClientTest, RefusesAtOnceWhileRedisIsDown) {
  const auto client = Connect(1);
  ASSERT_EQ(Text(client->Run({"PING"}, kTimeout)), "PONG");
  redis_.reset();
  EXPECT_TRUE(testing::WaitFor([&] {
    const absl::Status status = client->Run({"PING"}, kTimeout).status();
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    return absl::StrContains(status.message(), "not asked");
  }));
}

TEST_F(ClientTest, MoreThreadsThanConnectionsShareThem) {
  const auto client = Connect(2);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) EXPECT_TRUE(client->Run({"INCR", "counter"}, kTimeout).ok());
    });
  }
  threads.clear();
  EXPECT_EQ(Text(client->Run({"GET", "counter"}, kTimeout)), "800");
}

TEST_F(ClientTest, AnErrorInsideOfATransactionFailsTheCall) {
  const auto client = Connect(1);
  ASSERT_EQ(Text(client->Run({"SET", "text", "x"}, kTimeout)), "OK");
  Pipeline pipeline;
  pipeline.Add({"MULTI"});
  pipeline.Add({"SET", "other", "y"});
  pipeline.Add({"INCR", "text"});
  pipeline.Add({"EXEC"});
  const absl::Status status = client->Run(pipeline, kTimeout).status();
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  EXPECT_NE(std::string(status.message()).find("not an integer"), std::string::npos) << status;
}

TEST_F(ClientTest, UsesTheUser) {
  const auto admin = Connect(1);
  ASSERT_TRUE(admin->Run({"ACL", "SETUSER", "edge", "on", ">secret", "+ping"}, kTimeout).ok());
  const auto create = [&](const std::string& password) {
    return *Client::Create({.address = redis_->address(), .password = password, .user = "edge", .connections = 1},
                           SystemClock());
  };
  EXPECT_EQ(Text(create("secret")->Run({"PING"}, kTimeout)), "PONG");
  EXPECT_TRUE(absl::IsInternal(create("secret")->Run({"SET", "a", "b"}, kTimeout).status()));
  EXPECT_TRUE(absl::IsUnavailable(create("wrong")->Run({"PING"}, kTimeout).status()));
}

TEST_F(ClientTest, UsesThePassword) {
  const auto admin = Connect(1);
  ASSERT_TRUE(admin->Run({"CONFIG", "SET", "requirepass", "secret"}, kTimeout).ok());
  const auto create = [&](const std::string& password) {
    return *Client::Create({.address = redis_->address(), .password = password, .connections = 1}, SystemClock());
  };
  EXPECT_EQ(Text(create("secret")->Run({"PING"}, kTimeout)), "PONG");
  EXPECT_TRUE(absl::IsUnavailable(create("wrong")->Run({"PING"}, kTimeout).status()));
}

TEST(ClientAddressTest, WantsAHostAndAPortOrAPath) {
  for (const char* address : {"", "localhost", "localhost:", ":6379", "localhost:0", "localhost:65536", "unix:"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Client::Create({.address = address}, SystemClock()).status())) << address;
  }
  for (const char* address : {"localhost:6379", "[::1]:6379", "unix:/run/redis.sock"}) {
    EXPECT_TRUE(Client::Create({.address = address}, SystemClock()).ok()) << address;
  }
}

}  // namespace
}  // namespace fleetcast::redis
