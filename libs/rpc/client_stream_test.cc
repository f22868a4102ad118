#include "libs/rpc/client_stream.h"

#include <atomic>
#include <deque>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/clock.h"
#include "libs/rpc/testing/echo_fixture.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::rpc {
namespace {

using ::fleetcast::testing::WaitFor;
using testing::EchoRequest;
using testing::EchoResponse;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ChatClient = BidiClientStream<EchoRequest, EchoResponse>;

EchoRequest Text(const std::string& text) {
  EchoRequest request;
  request.set_text(text);
  return request;
}

// A chat with the echo service that writes down what happens.
class Chatter {
 public:
  Chatter(std::shared_ptr<grpc::ChannelInterface> channel, OutboxLimits outbox = {}, std::string greeting = "hello")
      : stub_(testing::EchoService::NewStub(std::move(channel))),
        stream_(ClientStreamOptions{.peer = "echo",
                                    .outbox = outbox,
                                    .backoff_first = absl::Milliseconds(5),
                                    .backoff_max = absl::Milliseconds(20)},
                [this](grpc::ClientContext* context, ChatClient::Reactor* reactor) {
                  stub_->async()->Chat(context, reactor);
                },
                {.on_connected =
                     [this, greeting] {
                       Enter();
                       ++connected_;
                       if (!greeting.empty()) stream_.TrySend(Text(greeting));
                       Leave();
                     },
                 .on_message =
                     [this](EchoResponse&& response) {
                       Enter();
                       ++messages_;
                       MutexLock lock(mutex_);
                       first_.push_back(response.text());
                       if (first_.size() > 10) first_.pop_back();
                       Leave();
                     },
                 .on_disconnected =
                     [this](const absl::Status&) {
                       Enter();
                       ++disconnected_;
                       Leave();
                     }}) {
    stream_.Start();
  }

  ~Chatter() { EXPECT_FALSE(overlap_); }

  ChatClient& stream() { return stream_; }
  int connected() const { return connected_; }
  int disconnected() const { return disconnected_; }
  int messages() const { return messages_; }
  std::deque<std::string> first() {
    MutexLock lock(mutex_);
    return first_;
  }

 private:
  // Callbacks must not overlap.
  void Enter() {
    if (inside_.exchange(true)) overlap_ = true;
  }
  void Leave() { inside_ = false; }

  std::unique_ptr<testing::EchoService::Stub> stub_;
  std::atomic<bool> inside_ = false;
  std::atomic<bool> overlap_ = false;
  std::atomic<int> connected_ = 0;
  std::atomic<int> disconnected_ = 0;
  std::atomic<int> messages_ = 0;
  Mutex mutex_;
  std::deque<std::string> first_ GUARDED_BY(mutex_);
  ChatClient stream_;  // Last: its callbacks use all above.
};

class ClientStreamTest : public testing::EchoFixture {
 protected:
  std::shared_ptr<grpc::ChannelInterface> NewChannel() {
    return MakeChannel(address, {.own_connection = true}).value();
  }
};

TEST_F(ClientStreamTest, ConnectsSendsAndReceives) {
  Chatter chatter(NewChannel());
  ASSERT_TRUE(WaitFor([&] { return chatter.messages() == 1; }));
  EXPECT_TRUE(chatter.stream().connected());
  EXPECT_TRUE(chatter.stream().TrySend(Text("second")));
  ASSERT_TRUE(WaitFor([&] { return chatter.messages() == 2; }));
  EXPECT_THAT(chatter.first(), ElementsAre("hello", "second"));
}

TEST_F(ClientStreamTest, SendsTheGreetingFirst) {
  Chatter chatter(NewChannel());
  ASSERT_TRUE(WaitFor([&] { return chatter.stream().TrySend(Text("impatient")); }));
  ASSERT_TRUE(WaitFor([&] { return chatter.messages() >= 2; }));
  EXPECT_EQ(chatter.first().front(), "hello");
}

TEST_F(ClientStreamTest, SaysFalseWithoutAConnection) {
  StopServer();
  Chatter chatter(NewChannel());
  EXPECT_FALSE(chatter.stream().TrySend(Text("nobody hears")));
  EXPECT_FALSE(chatter.stream().connected());
  EXPECT_EQ(chatter.stream().outbox_size(), 0u);
}

TEST_F(ClientStreamTest, KeepsTryingUntilTheServerComes) {
  StopServer();
  Chatter chatter(NewChannel());
  StartServer(address);
  EXPECT_TRUE(WaitFor([&] { return chatter.connected() == 1; }));
}

TEST_F(ClientStreamTest, ReconnectsWhenTheServerRestarts) {
  Chatter chatter(NewChannel());
  for (int round = 1; round <= 3; ++round) {
    ASSERT_TRUE(WaitFor([&] { return chatter.connected() == round && chatter.stream().connected(); }));
    StopServer();
    ASSERT_TRUE(WaitFor([&] { return chatter.disconnected() == round; }));
    EXPECT_FALSE(chatter.stream().TrySend(Text("lost")));
    StartServer(address);
  }
  EXPECT_TRUE(WaitFor([&] { return chatter.stream().connected(); }));
}

TEST_F(ClientStreamTest, ReconnectsWhenTheServerEndsTheStreamAndWhenAskedTo) {
  Chatter chatter(NewChannel());
  ASSERT_TRUE(WaitFor([&] { return chatter.stream().TrySend(Text("close")); }));
  ASSERT_TRUE(WaitFor([&] { return chatter.connected() == 2; }));
  chatter.stream().Reset();
  EXPECT_TRUE(WaitFor([&] { return chatter.connected() == 3; }));
}

TEST_F(ClientStreamTest, WritesWhatIsQueuedBeforeAnOrderlyShutdown) {
  Chatter chatter(NewChannel(), {.messages_max = 3000}, "");
  ASSERT_TRUE(WaitFor([&] { return chatter.stream().connected(); }));
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(WaitFor([&] { return chatter.stream().TrySend(Text("m")); }));
  chatter.stream().Shutdown(absl::Seconds(20));
  EXPECT_EQ(chatter.messages(), 1000);
  EXPECT_EQ(chatter.disconnected(), 1);
  EXPECT_FALSE(chatter.stream().TrySend(Text("late")));
  chatter.stream().Shutdown(absl::Seconds(1));
}

TEST_F(ClientStreamTest, ShutsDownByForceWhenTheServerDoesNotAnswer) {
  StopServer();
  Chatter chatter(MakeChannel("127.0.0.1:1").value());
  chatter.stream().Shutdown(absl::Hours(1));
  EXPECT_EQ(chatter.connected(), 0);
  EXPECT_EQ(chatter.disconnected(), 0);
}

TEST_F(ClientStreamTest, RefusesMoreThanTheOutboxHolds) {
  Chatter chatter(NewChannel(), {.messages_max = 10}, "");
  ASSERT_TRUE(WaitFor([&] { return chatter.stream().connected(); }));
  const EchoRequest large = Text(std::string(1'000'000, 'x'));  // Takes longer to write than to queue.
  bool refused = false;
  for (int i = 0; i < 1000 && !refused; ++i) refused = !chatter.stream().TrySend(large);
  EXPECT_TRUE(refused);
  EXPECT_LE(chatter.stream().outbox_size(), 10u);
}

TEST_F(ClientStreamTest, CarriesManyMessagesFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kMessages = 5000;
  StopServer();
  StartServer("127.0.0.1:0", {.messages_max = kThreads * kMessages});
  Chatter chatter(NewChannel(), {}, "");
  ASSERT_TRUE(WaitFor([&] { return chatter.stream().connected(); }));
  std::vector<std::thread> senders;
  for (int i = 0; i < kThreads; ++i) {
    senders.emplace_back([&] {
      for (int sent = 0; sent < kMessages;) {
        if (chatter.stream().TrySend(Text("m")))
          ++sent;
        else
          std::this_thread::yield();
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_TRUE(WaitFor([&] { return chatter.messages() == kThreads * kMessages; })) << chatter.messages();
}

TEST_F(ClientStreamTest, CanBeDestroyedWhileBusy) {
  for (int round = 0; round < 30; ++round) {
    std::atomic<bool> stop = false;
    auto chatter = std::make_unique<Chatter>(NewChannel());
    std::vector<std::thread> senders;
    for (int i = 0; i < 3; ++i) {
      senders.emplace_back([&] {
        while (!stop) chatter->stream().TrySend(Text("m"));
      });
    }
    ASSERT_TRUE(WaitFor([&] { return chatter->messages() > 10 * (round % 3); }));
    if (round % 3 == 2) service->CloseChats(absl::UnavailableError("draining"));
    chatter->stream().Shutdown(round % 2 == 0 ? absl::ZeroDuration() : absl::Milliseconds(20));
    const int messages = chatter->messages();
    EXPECT_EQ(chatter->connected(), chatter->disconnected());
    stop = true;
    for (std::thread& sender : senders) sender.join();
    EXPECT_EQ(chatter->messages(), messages);  // Nothing after Shutdown.
    chatter.reset();
  }
  EXPECT_TRUE(WaitFor([&] { return service->chats().empty(); }));
}

}  // namespace
}  // namespace fleetcast::rpc
