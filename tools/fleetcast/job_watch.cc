#include "tools/fleetcast/job_watch.h"

#include <cstdio>

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "fleetcast/jobs/v1/job.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/describe_job.h"
#include "tools/fleetcast/exit_codes.h"
#include "tools/fleetcast/interrupt.h"
#include "tools/fleetcast/progress.h"
#include "tools/fleetcast/reconnect.h"
#include "tools/fleetcast/terminal.h"
#include "tools/fleetcast/watch_merge.h"

namespace fleetcast::cli {
namespace {

constexpr int kWatchReconnectsMax = 20;                    // In a row without an answer; some 30 s.
constexpr absl::Duration kAliveAfter = absl::Seconds(25);  // Longer than an attempt to connect takes.

// Shows a job again and again.
class Display {
 public:
  explicit Display(const Context& context)
      : json_lines_(context.format() == Format::kJsonl || (context.output.empty() && isatty(STDERR_FILENO) == 0)),
        quiet_(context.format() == Format::kJson),
        terminal_(isatty(STDERR_FILENO) != 0) {}

  void Show(const jobs::v1::Job& job) {
    if (json_lines_) {
      std::printf("%s\n", json::Print(JobRecord(job).json).c_str());
      std::fflush(stdout);
      return;
    }
    if (quiet_) return;
    const absl::Duration now = SystemClock().Monotonic();
    meter_.Update(CountsOf(job), now);
    std::string label = absl::StrCat(job.id(), " ", StateText(job));
    if (const int32_t rate = job.rollout().maximum_per_minute(); rate > 0) {
      absl::StrAppend(&label, ", at most ", GroupDigits(rate), "/min");
    }
    if (terminal_) {
      std::fprintf(stderr, "\r\033[K%s", meter_.Line(label, TerminalColumns() - 1).c_str());
      open_line_ = true;
    } else if (now >= next_plain_ || IsTerminal(job)) {
      std::fprintf(stderr, "%s\n", meter_.Line(label, kColumnsDefault).c_str());
      next_plain_ = now + kPlainInterval;
    }
  }

  // Ends the live line, so that something else can be printed.
  void Close() {
    if (open_line_) std::fputs("\n", stderr);
    open_line_ = false;
  }

  bool json_lines() const { return json_lines_; }

 private:
  const bool json_lines_;
  const bool quiet_;
  const bool terminal_;
  bool open_line_ = false;
  absl::Duration next_plain_ = -absl::InfiniteDuration();
  ProgressMeter meter_;
};

// What one stream brought.
struct StreamEnd {
  absl::Status status;
  bool was_alive = false;        // It told something, or stood for a while.
  bool was_interrupted = false;  // By the user.
};

// Follows a job over lost connections: goes on where the last stream ended.
class Follower {
 public:
  Follower(jobs::v1::JobService::Stub& stub, const std::string& job_id, Display& display)
      : stub_(stub), display_(display) {
    request_.set_job_id(job_id);
  }

  // Reads one stream to its end.
  StreamEnd FollowOnce() {
    StreamEnd end;
    grpc::ClientContext call;
    InterruptWatch interrupt([&call] { call.TryCancel(); });
    const absl::Duration start = SystemClock().Monotonic();
    const auto stream = stub_.WatchJob(&call, request_);
    jobs::v1::WatchJobResponse response;
    while (stream->Read(&response)) {
      end.was_alive = true;
      Merge(response, job_);
      request_.set_resume_token(response.resume_token());
      display_.Show(job_);
    }
    end.status = rpc::FromGrpc(stream->Finish());
    // A job that stands still says nothing for as long as the stream stands.
    end.was_alive = end.was_alive || SystemClock().Monotonic() - start >= kAliveAfter;
    end.was_interrupted = interrupt.interrupted();
    return end;
  }

  const jobs::v1::Job& job() const { return job_; }

 private:
  jobs::v1::JobService::Stub& stub_;
  Display& display_;
  jobs::v1::WatchJobRequest request_;
  jobs::v1::Job job_;
};

}  // namespace

absl::Status WatchJob(Context& context, const std::string& job_id) {
  BlockInterrupts();
  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, context.Jobs());
  const auto stub = jobs::v1::JobService::NewStub(channel);
  Display display(context);
  Follower follower(*stub, job_id, display);
  bool interrupted = false;
  for (int silent = 0; !IsTerminal(follower.job()) && !interrupted; ++silent) {
    if (silent > 0) SystemClock().Sleep(Backoff(SystemRandom(), silent, kReconnectFirst, kReconnectMost), {});
    const StreamEnd end = follower.FollowOnce();
    interrupted = end.was_interrupted;
    if (end.was_alive) silent = 0;
    if (interrupted || end.status.ok() || (absl::IsUnavailable(end.status) && silent < kWatchReconnectsMax)) continue;
    display.Close();
    return end.status;
  }
  display.Close();
  if (interrupted) {
    Say(absl::StrCat("Not watching any more. The job goes on.\ntry:   fleetcast job watch ", job_id,
                     ", or fleetcast job cancel ", job_id));
    context.exit_code = kExitInterrupted;
    return absl::OkStatus();
  }
  if (!display.json_lines()) context.PrintOne(JobFieldNames(), JobDetails(follower.job()));
  if (!AllSucceeded(follower.job())) context.exit_code = kExitJobNotGood;
  return absl::OkStatus();
}

}  // namespace fleetcast::cli
