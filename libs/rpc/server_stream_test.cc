#include "libs/rpc/server_stream.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "libs/rpc/status.h"
#include "libs/rpc/testing/echo_fixture.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::rpc {
namespace {

using ::fleetcast::testing::WaitFor;
using testing::EchoRequest;
using testing::EchoResponse;

class ServerStreamTest : public testing::EchoFixture {
 protected:
  ServerStreamTest() { context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30))); }

  static EchoRequest Text(const std::string& text) {
    EchoRequest request;
    request.set_text(text);
    return request;
  }

  std::unique_ptr<testing::EchoService::Stub> stub_ = NewStub();
  grpc::ClientContext context_;
};

TEST_F(ServerStreamTest, StreamsALongListFromABlockingHandler) {
  testing::CountRequest request;
  request.set_count(5000);
  const auto reader = stub_->Count(&context_, request);
  EchoResponse response;
  int count = 0;
  while (reader->Read(&response)) EXPECT_EQ(response.text(), absl::StrCat(count++));
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(count, 5000);
}

TEST_F(ServerStreamTest, FreesTheHandlerWhenTheReaderLeaves) {
  testing::CountRequest request;
  request.set_count(1 << 30);
  const auto reader = stub_->Count(&context_, request);
  EchoResponse response;
  ASSERT_TRUE(reader->Read(&response));
  context_.TryCancel();
  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  StopServer(absl::Seconds(10));  // Hangs if the handler still runs.
}

TEST_F(ServerStreamTest, EchoesUntilTheClientIsDone) {
  const auto chat = stub_->Chat(&context_);
  EchoResponse response;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(chat->Write(Text(absl::StrCat(i))));
    ASSERT_TRUE(chat->Read(&response));
    EXPECT_EQ(response.text(), absl::StrCat(i));
  }
  chat->WritesDone();
  EXPECT_FALSE(chat->Read(&response));
  EXPECT_TRUE(chat->Finish().ok());
  EXPECT_TRUE(WaitFor([&] { return service->chats_closed() == 1; }));
}

TEST_F(ServerStreamTest, WritesWhatIsQueuedBeforeAnOrderlyEnd) {
  const auto chat = stub_->Chat(&context_);
  ASSERT_TRUE(WaitFor([&] { return service->chats().size() == 1; }));
  const auto stream = *service->chats().begin();
  for (int i = 0; i < 500; ++i) {
    EchoResponse response;
    response.set_text(absl::StrCat(i));
    ASSERT_TRUE(stream->TrySend(response));
  }
  stream->Close(absl::OkStatus());
  EXPECT_FALSE(stream->TrySend(EchoResponse()));
  EchoResponse response;
  int count = 0;
  while (chat->Read(&response)) EXPECT_EQ(response.text(), absl::StrCat(count++));
  EXPECT_EQ(count, 500);
  EXPECT_TRUE(chat->Finish().ok());
}

TEST_F(ServerStreamTest, EndsWithTheStatusOfClose) {
  const auto chat = stub_->Chat(&context_);
  ASSERT_TRUE(chat->Write(Text("close")));
  EchoResponse response;
  while (chat->Read(&response)) {
  }
  EXPECT_EQ(FromGrpc(chat->Finish()), absl::FailedPreconditionError("closed on request"));
}

TEST_F(ServerStreamTest, RefusesMoreThanTheOutboxHoldsAndAbortsASlowPeer) {
  StopServer();
  StartServer("127.0.0.1:0", {.messages_max = 10});
  stub_ = NewStub();
  const auto chat = stub_->Chat(&context_);  // Never reads.
  ASSERT_TRUE(WaitFor([&] { return service->chats().size() == 1; }));
  const auto stream = *service->chats().begin();
  EchoResponse response;
  response.set_text(std::string(100'000, 'x'));
  // Full, and not because the writer has not come to it yet.
  ASSERT_TRUE(WaitFor([&] { return !stream->TrySend(response) && stream->outbox_size() == 10; }));
  stream->Abort();
  EXPECT_TRUE(WaitFor([&] { return service->chats_closed() == 1; }));
  EXPECT_TRUE(stream->stop_token().stop_requested());
  EXPECT_FALSE(stream->TrySend(response));
  stream->Abort();  // Too late, harmless.
}

TEST_F(ServerStreamTest, CanBeSentToFromManyThreadsWhileItEnds) {
  for (int round = 0; round < 20; ++round) {
    grpc::ClientContext context;
    const auto chat = stub_->Chat(&context);
    ASSERT_TRUE(WaitFor([&] { return service->chats().size() == 1; }));
    const auto stream = *service->chats().begin();
    std::vector<std::thread> senders;
    for (int i = 0; i < 4; ++i) {
      senders.emplace_back([stream] {
        while (!stream->stop_token().stop_requested()) stream->TrySend(EchoResponse());
      });
    }
    EchoResponse response;
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(chat->Read(&response));
    if (round % 2 == 0) context.TryCancel();
    if (round % 2 == 1) stream->Close(absl::UnavailableError("draining"));
    while (chat->Read(&response)) {
    }
    EXPECT_FALSE(chat->Finish().ok());
    for (std::thread& sender : senders) sender.join();
    ASSERT_TRUE(WaitFor([&] { return service->chats_closed() == round + 1; }));
  }
}

}  // namespace
}  // namespace fleetcast::rpc
