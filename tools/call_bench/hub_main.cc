// Method calls at a fixed rate through method_dispatch, device_connection and the edges, the counterpart of the
// broker's generator with --rate: the devices are those of a running fleetsim.
// Speaks as a scheduler; nothing is stored.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "fleetcast/internal/v1/method_dispatch.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/client_stream.h"
#include "tools/call_bench/open_loop.h"

namespace fleetcast::call_bench {
namespace {

namespace pb = fleetcast::internal::v1;

using Stream = rpc::BidiClientStream<pb::DispatchRequest, pb::DispatchResponse>;

constexpr int kBatchMax = 1'000;
constexpr absl::Duration kResponseTimeout = absl::Seconds(30);
constexpr absl::Duration kPermit = absl::Milliseconds(800);  // As a scheduler's; longer ones are refused.
constexpr absl::Duration kTick = absl::Milliseconds(1);      // Longest pause, so that acknowledgements leave in time.
constexpr int64_t kJobs = int64_t{1} << 50;                  // No job has a number of this size.

struct Options {
  std::string address;
  std::string prefix;
  int devices = 0;
  double rate = 100;
  double seconds = 10;
  std::string payload = R"({"n":1})";
};

// One run. Call n is position n of a job that nobody else knows, and goes to device n of the fleet, round and round.
class Caller {
 public:
  Caller(const Options& options, const std::shared_ptr<grpc::ChannelInterface>& channel)
      : options_(options),
        job_seq_(kJobs + static_cast<int64_t>(SystemRandom().Below(1'000'000'000))),
        stub_(pb::MethodDispatchService::NewStub(channel)),
        loop_(options.rate, options.seconds, SystemClock().Monotonic() + absl::Seconds(1)),
        stream_({.peer = options.address, .outbox = {.messages_max = 4096, .bytes_max = 64 << 20}},
                [this](grpc::ClientContext* context, Stream::Reactor* reactor) {
                  stub_->async()->Dispatch(context, reactor);
                },
                {.on_connected = [this] { Greet(); },
                 .on_message = [this](pb::DispatchResponse&& message) { OnMessage(message); },
                 .on_disconnected = [](const absl::Status&) {}}) {}

  // Prints the figures. False when calls were not answered.
  bool Run() {
    stream_.Start();
    const absl::Duration end = SystemClock().Monotonic() + absl::Seconds(options_.seconds) + kResponseTimeout;
    while (SystemClock().Monotonic() < end && !Turn()) {
    }
    MutexLock lock(mutex_);
    std::printf("%s\n", loop_.Summary("hub_calls").c_str());
    if (loop_.ended() == loop_.total()) return true;
    std::fprintf(stderr, "fleetcast-bench-calls: %ld of %ld calls were answered; %ld ended otherwise, the first: %s\n",
                 static_cast<long>(loop_.ended()), static_cast<long>(loop_.total()), static_cast<long>(failed_),
                 failure_.c_str());
    return false;
  }

 private:
  void Greet() {
    pb::DispatchRequest hello;
    hello.mutable_hello()->set_owner("bench-" + std::to_string(job_seq_));
    stream_.TrySend(std::move(hello));
  }

  // Sends what is due and waits a little; true when all calls have ended.
  bool Turn() {
    absl::Duration pause = kTick;
    bool is_over = false;
    pb::DispatchRequest request;
    {
      MutexLock lock(mutex_);
      if (is_up_) AddDue(request);
      request.mutable_acknowledge()->Swap(&ended_);
      ended_.Clear();
      is_over = loop_.ended() + failed_ == loop_.total();
      pause = std::clamp(loop_.NextDue() - SystemClock().Monotonic(), absl::ZeroDuration(), kTick);
    }
    if (request.batches_size() > 0 || request.acknowledge_size() > 0) stream_.TrySend(std::move(request));
    if (!is_over && pause > absl::ZeroDuration()) SystemClock().Sleep(pause, {});
    return is_over;
  }

  void AddDue(pb::DispatchRequest& request) REQUIRES(mutex_) {
    const absl::Duration now = SystemClock().Monotonic();
    if (!loop_.IsDue(now)) return;
    pb::JobCallBatch* batch = request.add_batches();
    batch->set_job_seq(job_seq_);
    batch->set_method("ask");
    batch->set_payload(options_.payload);
    batch->set_response_timeout_micros(absl::ToInt64Microseconds(kResponseTimeout));
    batch->set_permit_expire_unix_micros(absl::ToUnixMicros(SystemClock().Now() + kPermit));
    while (batch->targets_size() < kBatchMax && loop_.IsDue(now)) {
      const int64_t number = loop_.Begin();
      pb::JobCallTarget* target = batch->add_targets();
      target->set_position(number);
      target->set_device_id(options_.prefix + std::to_string(1 + number % options_.devices));
    }
  }

  void OnMessage(const pb::DispatchResponse& message) {
    const absl::Duration now = SystemClock().Monotonic();
    MutexLock lock(mutex_);
    if (message.has_hello()) is_up_ = true;
    for (const pb::JobCallEvent& event : message.events()) {
      if (event.event_case() == pb::JobCallEvent::kSent) continue;
      const bool is_answer = event.event_case() == pb::JobCallEvent::kAnswer;
      if (is_answer && !loop_.End(event.key().position(), now)) continue;
      if (!is_answer && failed_++ == 0) failure_ = event.ShortDebugString();
      *ended_.Add() = event.key();
    }
  }

  const Options& options_;
  const int64_t job_seq_;
  const std::unique_ptr<pb::MethodDispatchService::Stub> stub_;
  Mutex mutex_;
  OpenLoop loop_ GUARDED_BY(mutex_);
  bool is_up_ GUARDED_BY(mutex_) = false;
  int64_t failed_ GUARDED_BY(mutex_) = 0;
  std::string failure_ GUARDED_BY(mutex_);                                         // Of the first that failed.
  google::protobuf::RepeatedPtrField<pb::ExecutionKey> ended_ GUARDED_BY(mutex_);  // To be acknowledged.
  Stream stream_;                                                                  // Last: its threads use all above.
};

}  // namespace
}  // namespace fleetcast::call_bench

int main(int argc, char** argv) {
  fleetcast::call_bench::Options options;
  CLI::App app("Method calls at a fixed rate to the devices of a running fleetsim: for scripts/bench edge");
  app.add_option("--address", options.address, "method_dispatch, host:port")->required();
  app.add_option("--prefix", options.prefix, "Of the device ids, which go on with a number from 1")->required();
  app.add_option("--devices", options.devices, "How many")->required()->check(CLI::Range(1, 10'000'000));
  app.add_option("--rate", options.rate, "Calls a second")->check(CLI::Range(0.1, 1e6));
  app.add_option("--seconds", options.seconds, "How long")->check(CLI::Range(0.1, 3600.0));
  CLI11_PARSE(app, argc, argv);
  const auto channel = fleetcast::rpc::MakeChannel(options.address, {.own_connection = true});
  if (!channel.ok()) {
    std::fprintf(stderr, "fleetcast-bench-calls: %s\n", std::string(channel.status().message()).c_str());
    return 1;
  }
  return fleetcast::call_bench::Caller(options, *channel).Run() ? 0 : 1;
}
