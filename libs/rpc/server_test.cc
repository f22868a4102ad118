#include "libs/rpc/server.h"

#include <atomic>
#include <thread>

#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "gtest/gtest.h"
#include "libs/base/clock.h"
#include "libs/base/status.h"
#include "libs/rpc/call.h"
#include "libs/rpc/status.h"
#include "libs/rpc/testing/echo_fixture.h"
#include "libs/testing/wait_for.h"

namespace fleetcast::rpc {
namespace {

using ::fleetcast::testing::WaitFor;
using testing::EchoRequest;
using testing::EchoResponse;
using testing::EchoService;
using ::testing::HasSubstr;

constexpr char kTraceparent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

class ServerTest : public testing::EchoFixture {
 protected:
  absl::Status Echo(const Call& call, const std::string& text, absl::Duration limit = absl::Seconds(10)) {
    EchoRequest request;
    request.set_text(text);
    return CallUnary(call, limit, "EchoService/Echo",
                     [&](grpc::ClientContext* context) { return stub_->Echo(context, request, &response_); });
  }

  std::unique_ptr<EchoService::Stub> stub_ = NewStub();
  EchoResponse response_;
};

TEST_F(ServerTest, Answers) {
  ASSERT_TRUE(Echo(BackgroundCall(absl::Seconds(10)), "hello").ok());
  EXPECT_EQ(response_.text(), "hello");
}

TEST_F(ServerTest, AnswersErrorsWithTheirReason) {
  const absl::Status status = Echo({}, "fail");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(GetReason(status), "ECHO_NOT_FOUND");
}

TEST_F(ServerTest, TurnsExceptionsIntoInternalErrors) {
  EXPECT_EQ(Echo({}, "throw").code(), absl::StatusCode::kInternal);
}

TEST_F(ServerTest, PassesTheTraceOn) {
  ASSERT_TRUE(Echo({.trace = telemetry::ParseTraceparent(kTraceparent)}, "hello").ok());
  EXPECT_EQ(response_.traceparent(), kTraceparent);
}

TEST_F(ServerTest, GivesTheHandlerWhatIsLeftOfTheCallersTime) {
  ASSERT_TRUE(Echo(BackgroundCall(absl::Seconds(9)), "hello").ok());
  // 50 ms are kept back; gRPC rounds what travels up to 10 ms.
  EXPECT_LE(response_.remaining_ms(), 8960);
  EXPECT_GT(response_.remaining_ms(), 1000);
}

TEST_F(ServerTest, GivesADefaultDeadlineToACallWithoutOne) {
  grpc::ClientContext context;
  EchoRequest request;
  ASSERT_TRUE(stub_->Echo(&context, request, &response_).ok());
  EXPECT_LE(response_.remaining_ms(), absl::ToInt64Milliseconds(kDefaultDeadline));
}

TEST_F(ServerTest, DoesNotCallWithoutTimeLeft) {
  EXPECT_EQ(Echo(BackgroundCall(absl::Milliseconds(10)), "hello").code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ServerTest, EndsAtTheDeadlineAndTellsTheHandler) {
  const absl::Duration before = SystemClock().Monotonic();
  EXPECT_EQ(Echo({}, "wait", absl::Milliseconds(100)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_LT(SystemClock().Monotonic() - before, absl::Seconds(30));
}

TEST_F(ServerTest, CancelsTheOutgoingCallWhenTheCallerStops) {
  std::stop_source stop;
  std::atomic<bool> ended = false;
  std::thread caller([&] {
    EXPECT_EQ(Echo({.stop = stop.get_token()}, "wait").code(), absl::StatusCode::kCancelled);
    ended = true;
  });
  stop.request_stop();
  EXPECT_TRUE(WaitFor([&] { return ended.load(); }));
  caller.join();
}

TEST_F(ServerTest, RefusesMoreThanItsQueueHolds) {
  // Two workers and four places in the queue: of ten calls that wait, at least four are refused.
  std::atomic<int> refused = 0;
  std::stop_source stop;
  std::vector<std::thread> callers;
  for (int i = 0; i < 10; ++i) {
    callers.emplace_back([&] {
      EchoRequest request;
      request.set_text("wait");
      EchoResponse response;
      const absl::Status status =
          CallUnary({.stop = stop.get_token()}, absl::Seconds(30), "EchoService/Echo",
                    [&](grpc::ClientContext* context) { return stub_->Echo(context, request, &response); });
      if (GetReason(status) == "SERVER_BUSY") {
        EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
        EXPECT_TRUE(GetRetryAfter(status).has_value());
        ++refused;
      }
    });
  }
  EXPECT_TRUE(WaitFor([&] { return refused >= 4; })) << refused;
  stop.request_stop();
  for (std::thread& caller : callers) caller.join();
}

TEST_F(ServerTest, AnswersLaterFromAnotherThread) {
  std::thread answerer([&] { EXPECT_TRUE(WaitFor([&] { return service->AnswerOne(); })); });
  EchoRequest request;
  request.set_text("later");
  const absl::Status status =
      CallUnary({}, absl::Seconds(10), "EchoService/EchoLater",
                [&](grpc::ClientContext* context) { return stub_->EchoLater(context, request, &response_); });
  answerer.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(response_.text(), "later");
}

TEST_F(ServerTest, CountsCallsByMethodAndStatus) {
  ASSERT_TRUE(Echo({}, "hello").ok());
  ASSERT_FALSE(Echo({}, "fail").ok());
  const auto counted = [&](const std::string& status) {
    const std::string line =
        "rpc_server_call_duration_seconds_count{rpc_method=\"fleetcast.rpc.testing.EchoService/"
        "Echo\",rpc_status=\"" +
        status + "\"} 1\n";
    return metrics.Text().find(line) != std::string::npos;
  };
  EXPECT_TRUE(WaitFor([&] { return counted("OK") && counted("NOT_FOUND"); })) << metrics.Text();
}

TEST_F(ServerTest, RefusesAPortThatIsTaken) {
  const auto second = Server::Start({.listen = address}, {}, metrics);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Server::Start({.listen = "nowhere"}, {}, metrics).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ServerTest, RefusesMessagesBeyondTheLimit) {
  EXPECT_EQ(Echo({}, std::string(kMessageBytesMax + 1, 'x')).code(), absl::StatusCode::kResourceExhausted);
}

// Asks a method by name, with bytes, as a tool without our protos does.
absl::Status CallGeneric(const std::string& address, const std::string& method, const std::string& request,
                         std::string* response) {
  grpc::GenericStub stub(MakeChannel(address).value());
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(SystemClock().Now() + absl::Seconds(10)));
  const grpc::Slice slice(request);
  const grpc::ByteBuffer in(&slice, 1);
  grpc::ByteBuffer out;
  absl::Status status;
  std::atomic<bool> done = false;
  stub.UnaryCall(&context, method, {}, &in, &out, [&](const grpc::Status& s) {
    status = FromGrpc(s);
    done = true;
  });
  EXPECT_TRUE(WaitFor([&] { return done.load(); }));
  std::vector<grpc::Slice> slices;
  if (out.Valid() && out.Dump(&slices).ok()) {
    for (const grpc::Slice& part : slices) response->append(reinterpret_cast<const char*>(part.begin()), part.size());
  }
  return status;
}

TEST_F(ServerTest, AnswersHealthChecksPerService) {
  constexpr char kCheck[] = "/grpc.health.v1.Health/Check";
  const std::string serving = "\x08\x01";
  const std::string not_serving = "\x08\x02";
  std::string response;
  ASSERT_TRUE(CallGeneric(address, kCheck, "", &response).ok());
  EXPECT_EQ(response, serving);

  server->SetServing(false);
  response.clear();
  const std::string name = EchoService::service_full_name();
  ASSERT_TRUE(CallGeneric(address, kCheck, absl::StrCat("\x0a", std::string(1, static_cast<char>(name.size())), name),
                          &response)
                  .ok());
  EXPECT_EQ(response, not_serving);
}

TEST_F(ServerTest, AnswersGarbageAndUnknownMethodsWithErrors) {
  std::string response;
  EXPECT_EQ(CallGeneric(address, "/fleetcast.rpc.testing.EchoService/Nothing", "", &response).code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_FALSE(CallGeneric(address, "/fleetcast.rpc.testing.EchoService/Echo", "\xff\xff\xff", &response).ok());
  EXPECT_TRUE(Echo({}, "still alive").ok());
}

TEST_F(ServerTest, ShutsDownWithinItsLimitAndCancelsWhatIsOpen) {
  grpc::ClientContext context;
  const auto chat = stub_->Chat(&context);
  ASSERT_TRUE(WaitFor([&] { return service->chats().size() == 1; }));
  StopServer(absl::Milliseconds(50));
  EXPECT_FALSE(chat->Read(&response_));
  EXPECT_FALSE(chat->Finish().ok());
  EXPECT_EQ(service->chats_closed(), 1);
}

}  // namespace
}  // namespace fleetcast::rpc
