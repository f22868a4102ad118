#include "libs/rpc/process.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "libs/base/mutex.h"
#include "libs/rpc/call.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status.h"
#include "libs/rpc/testing/echo.grpc.pb.h"
#include "libs/telemetry/trace.h"

extern char** environ;

namespace fleetcast::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A run of the echo process, its output collected. Ends it when destroyed.
class EchoRun {
 public:
  // `variables` ("NAME=value") are added to the environment.
  explicit EchoRun(std::vector<std::string> arguments, std::vector<std::string> variables = {}) {
    arguments.insert(arguments.begin(), ECHO_PROCESS);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::vector<char*> environment;
    for (char** variable = environ; *variable != nullptr; ++variable) environment.push_back(*variable);
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    std::array<int, 2> ends;
    EXPECT_EQ(pipe(ends.data()), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    EXPECT_EQ(posix_spawn(&pid_, ECHO_PROCESS, &actions, nullptr, argv.data(), environment.data()), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    output_end_ = ends[0];
  }

  ~EchoRun() {
    if (pid_ > 0) kill(pid_, SIGKILL);
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    close(output_end_);
  }

  void Signal(int number) { kill(pid_, number); }

  // Reads until `text` has appeared or the process has closed its output.
  bool ReadUntil(const std::string& text) {
    while (output_.find(text) == std::string::npos) {
      if (!ReadMore()) return false;
    }
    return true;
  }

  // Reads all output and waits for the end. The exit code.
  int Wait() {
    while (ReadMore()) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  const std::string& output() const { return output_; }

  int port() const {
    constexpr char kField[] = "\"port\":";
    const size_t at = output_.find(kField);
    int port = 0;
    if (at != std::string::npos) port = atoi(output_.c_str() + at + sizeof(kField) - 1);
    return port;
  }

 private:
  bool ReadMore() {
    std::array<char, 4096> buffer;
    const ssize_t count = read(output_end_, buffer.data(), buffer.size());
    if (count <= 0) return false;
    output_.append(buffer.data(), static_cast<size_t>(count));
    return true;
  }

  pid_t pid_ = 0;
  int output_end_ = -1;
  std::string output_;
};

// One call, on a connection of its own.
absl::Status Echo(int port, const telemetry::TraceContext& trace = {}) {
  const auto stub =
      testing::EchoService::NewStub(MakeChannel(absl::StrCat("127.0.0.1:", port), {.own_connection = true}).value());
  testing::EchoRequest request;
  testing::EchoResponse response;
  return CallUnary({.trace = trace}, absl::Seconds(10), "EchoService/Echo",
                   [&](grpc::ClientContext* context) { return stub->Echo(context, request, &response); });
}

TEST(ProcessTest, ServesUntilSigtermThenDrainsAndExitsCleanly) {
  EchoRun run({"--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--drain-timeout=5s"});
  ASSERT_TRUE(run.ReadUntil("\"msg\":\"serving\"")) << run.output();
  ASSERT_TRUE(run.ReadUntil("\n"));
  const absl::Status status = Echo(run.port());
  EXPECT_TRUE(status.ok()) << status;

  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_THAT(run.output(), HasSubstr("\"msg\":\"draining\""));
  EXPECT_THAT(run.output(), HasSubstr("\"msg\":\"stop was called\""));
  EXPECT_THAT(run.output(), HasSubstr("\"msg\":\"stopped\""));
}

TEST(ProcessTest, CutsTheDrainDelayShortOnASecondSignal) {
  EchoRun run({"--listen=127.0.0.1:0", "--drain-delay=5m"});
  ASSERT_TRUE(run.ReadUntil("\"msg\":\"serving\"")) << run.output();
  run.Signal(SIGTERM);
  ASSERT_TRUE(run.ReadUntil("\"msg\":\"draining\""));
  run.Signal(SIGINT);
  EXPECT_EQ(run.Wait(), 0);
}

TEST(ProcessTest, HurriesADrainOnAFurtherSignal) {
  EchoRun run({"--listen=127.0.0.1:0", "--drain-for=5m"});
  ASSERT_TRUE(run.ReadUntil("\"msg\":\"serving\"")) << run.output();
  run.Signal(SIGTERM);
  ASSERT_TRUE(run.ReadUntil("\"msg\":\"drain was called\""));
  run.Signal(SIGHUP);  // No reason to hurry.
  ASSERT_TRUE(run.ReadUntil("\"msg\":\"reload was called\""));
  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_THAT(run.output(), HasSubstr("\"msg\":\"stopped\""));
}

TEST(ProcessTest, RefusesToStartOnBadConfiguration) {
  EchoRun run({"--listen=nowhere", "--workers=13", "--log-level=info"});
  EXPECT_EQ(run.Wait(), 78);
  EXPECT_THAT(run.output(), HasSubstr("--listen: 'nowhere' is not an address"));

  EchoRun late({"--listen=127.0.0.1:0", "--workers=13"});
  EXPECT_EQ(late.Wait(), 78);
  EXPECT_THAT(late.output(), HasSubstr("13 workers bring bad luck"));

  EchoRun help({"--help"});
  EXPECT_EQ(help.Wait(), 0);
  EXPECT_THAT(help.output(), HasSubstr("--drain-timeout"));
}

TEST(ProcessTest, ExitsWithOneWhenItCannotDoItsWork) {
  EchoRun unable({"--listen=127.0.0.1:0", "--workers=14"});
  EXPECT_EQ(unable.Wait(), 1);
  EchoRun failing({"--listen=127.0.0.1:0", "--fail-late", "--drain-delay=5m"});
  EXPECT_EQ(failing.Wait(), 1);
  EXPECT_THAT(failing.output(), HasSubstr("DATA_LOSS: on purpose"));
}

TEST(ProcessTest, ExitsWithZeroAfterWorkWithoutServing) {
  EchoRun run({"--listen=127.0.0.1:0", "--migrate"});
  EXPECT_EQ(run.Wait(), 0);
  EXPECT_THAT(run.output(), Not(HasSubstr("serving")));
}

// Takes any unary call, as a trace collector would, and keeps the requests.
class Collector final : public grpc::CallbackGenericService {
 public:
  Collector() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
  }
  ~Collector() { server_->Shutdown(); }

  int port() const { return port_; }
  std::string received() {
    MutexLock lock(mutex_);
    return received_;
  }

 private:
  class Reactor final : public grpc::ServerGenericBidiReactor {
   public:
    explicit Reactor(Collector& collector) : collector_(collector) { StartRead(&request_); }
    void OnReadDone(bool ok) override {
      std::vector<grpc::Slice> slices;
      if (ok && request_.Dump(&slices).ok()) {
        MutexLock lock(collector_.mutex_);
        for (const grpc::Slice& slice : slices) {
          collector_.received_.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
        }
      }
      StartWriteAndFinish(&response_, {}, grpc::Status::OK);
    }
    void OnDone() override { delete this; }

   private:
    Collector& collector_;
    grpc::ByteBuffer request_;
    grpc::Slice empty_{std::string()};
    grpc::ByteBuffer response_{&empty_, 1};
  };

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new Reactor(*this);
  }

  Mutex mutex_;
  std::string received_ GUARDED_BY(mutex_);
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

TEST(ProcessTest, ExportsServerSpansThatContinueTheCallersTrace) {
  Collector collector;
  EchoRun run({"--listen=127.0.0.1:0"},
              {absl::StrCat("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:", collector.port()),
               "OTEL_SERVICE_NAME=echo-under-test"});
  ASSERT_TRUE(run.ReadUntil("\"msg\":\"serving\"")) << run.output();
  ASSERT_TRUE(run.ReadUntil("\n"));
  const auto trace = telemetry::ParseTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  ASSERT_TRUE(Echo(run.port(), trace).ok());
  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 0);  // The last spans are flushed before the end.
  const std::string received = collector.received();
  EXPECT_THAT(received, HasSubstr("echo-under-test"));
  EXPECT_THAT(received, HasSubstr("fleetcast.rpc.testing.EchoService/Echo"));
  EXPECT_THAT(received, HasSubstr(std::string(trace.trace_id.begin(), trace.trace_id.end())));
}

TEST(ProcessTest, SwitchesDebugLoggingOnSigusr1) {
  EchoRun run({"--listen=127.0.0.1:0"});
  ASSERT_TRUE(run.ReadUntil("\"msg\":\"serving\"")) << run.output();
  run.Signal(SIGUSR1);
  EXPECT_TRUE(run.ReadUntil("\"debug\":true"));
  run.Signal(SIGINT);
  EXPECT_EQ(run.Wait(), 0);
}

TEST(ProcessTest, ReloadsOnSighup) {
  EchoRun run({"--listen=127.0.0.1:0"});
  ASSERT_TRUE(run.ReadUntil("\"msg\":\"serving\"")) << run.output();
  run.Signal(SIGHUP);
  EXPECT_TRUE(run.ReadUntil("reload was called"));
  run.Signal(SIGTERM);
  EXPECT_EQ(run.Wait(), 0);
}

}  // namespace
}  // namespace fleetcast::rpc
