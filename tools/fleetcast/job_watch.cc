#include "tools/fleetcast/job_watch.h"

#include <cstdio>
#include <functional>

#include <grpcpp/grpcpp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "fleetcast/jobs/v1/job.grpc.pb.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "tools/fleetcast/describe.h"
#include "tools/fleetcast/exit_codes.h"
#include "tools/fleetcast/interrupt.h"
#include "tools/fleetcast/progress.h"

namespace fleetcast::cli {
namespace {

constexpr int kReconnectsMax = 20;  // In a row without an answer; some 30 s.
constexpr absl::Duration kReconnectFirst = absl::Milliseconds(200);
constexpr absl::Duration kReconnectMost = absl::Seconds(3);
constexpr absl::Duration kPlainInterval = absl::Seconds(5);  // Between progress lines when there is no terminal.
constexpr int kColumnsDefault = 100;

int TerminalColumns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kColumnsDefault;
}

// Shows one snapshot after the other.
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
    const std::string label = absl::StrCat(job.id(), " ", StateName(job));
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

// Reads one stream to its end; `interrupted` says whether the user ended it.
absl::Status FollowOnce(jobs::v1::JobService::Stub& stub, const std::string& job_id,
                        const std::function<void(const jobs::v1::Job&)>& show, bool& interrupted) {
  jobs::v1::WatchJobRequest request;
  request.set_job_id(job_id);
  jobs::v1::WatchJobResponse response;
  grpc::ClientContext call;
  InterruptWatch interrupt([&call] { call.TryCancel(); });
  const auto stream = stub.WatchJob(&call, request);
  while (stream->Read(&response)) show(response.job());
  const absl::Status status = rpc::FromGrpc(stream->Finish());
  interrupted = interrupt.interrupted();
  return status;
}

}  // namespace

absl::Status WatchJob(Context& context, const std::string& job_id) {
  BlockInterrupts();
  FLEETCAST_ASSIGN_OR_RETURN(const auto channel, context.Jobs());
  const auto stub = jobs::v1::JobService::NewStub(channel);
  Display display(context);
  jobs::v1::Job last;
  bool interrupted = false;
  for (int silent = 0; !IsTerminal(last) && !interrupted; ++silent) {
    if (silent > 0) SystemClock().Sleep(Backoff(SystemRandom(), silent, kReconnectFirst, kReconnectMost), {});
    const absl::Status status = FollowOnce(
        *stub, job_id,
        [&](const jobs::v1::Job& job) {
          silent = 0;
          last = job;
          display.Show(job);
        },
        interrupted);
    if (interrupted || status.ok() || (absl::IsUnavailable(status) && silent < kReconnectsMax)) continue;
    display.Close();
    return status;
  }
  display.Close();
  if (interrupted) {
    Say(absl::StrCat("Not watching any more. The job goes on.\ntry:   fleetcast job watch ", job_id,
                     ", or fleetcast job cancel ", job_id));
    context.exit_code = kExitInterrupted;
    return absl::OkStatus();
  }
  if (!display.json_lines()) context.PrintOne(JobFieldNames(), JobDetails(last));
  if (!AllSucceeded(last)) context.exit_code = kExitJobNotGood;
  return absl::OkStatus();
}

}  // namespace fleetcast::cli
