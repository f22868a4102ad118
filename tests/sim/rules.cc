// The rules that judge events as they happen.
#include "tests/sim/rules.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace fleetcast::sim::rules {
namespace {

// Call ids that differ in these bits only are issues of the same attempt (services/method_dispatch/call_ids.h).
constexpr int kIssueBits = 12;
constexpr absl::Duration kEndAfterLast = absl::Seconds(5);  // J5
// How long an older connection may go on (S1): until permits have run out, or, with faults, until leases have.
constexpr absl::Duration kOldConnectionHealthy = absl::Milliseconds(1500);  // kPermit and kEpsilon.
constexpr absl::Duration kOldConnectionFaulty = absl::Seconds(15);

absl::Duration SinceStart(absl::Time time) { return time - ProcessClock::WallStart(); }

// J8, J9, J10: when something of a job may reach a device.
void CheckWindow(World& world, int64_t number, int device) {
  const absl::Duration now = world.universe().queue.now();
  History& history = world.history();
  const JobHistory& job = history.jobs.at(number);
  if (job.start_time.has_value() && now < SinceStart(*job.start_time) - kEpsilon) {
    history.Fail(
        "J8", number, device,
        absl::StrCat("reached ", absl::FormatDuration(SinceStart(*job.start_time) - now), " before the start"));
  }
  if (job.deadline.has_value() && now > *job.deadline + kPermit + kEpsilon) {
    history.Fail("J9", number, device,
                 absl::StrCat("reached ", absl::FormatDuration(now - *job.deadline), " after the execution time"));
  }
  if (job.cancel_acknowledged.has_value() && now > *job.cancel_acknowledged + kEpsilon) {
    history.Fail(
        "J10", number, device,
        absl::StrCat("reached ", absl::FormatDuration(now - *job.cancel_acknowledged), " after the cancel's answer"));
  }
}

// M1: an attempt is written once, and there are no more of them than were asked for.
void CheckAttempts(World& world, int64_t job, int device, const TargetHistory& target) {
  History& history = world.history();
  const uint64_t attempt = target.writes.back().call_id >> kIssueBits;
  const auto is_same = [&](const Write& write) { return write.call_id >> kIssueBits == attempt; };
  if (std::count_if(target.writes.begin(), target.writes.end(), is_same) > 1) {
    return history.Fail("M1", job, device, "the request was written twice");
  }
  const int retries = IsDirect(job) ? 0 : history.jobs.at(job).retries;
  if (target.writes.size() > static_cast<size_t>(retries) + 1) {
    history.Fail("M1", job, device,
                 absl::StrCat("written ", target.writes.size(), " times, with ", retries, " retries"));
  }
}

// Whether a target's last request may still be answered, for all that its edge can know.
bool IsInFlight(const World& world, const JobHistory& job, const TargetHistory& target, absl::Duration now) {
  if (target.writes.empty() || target.ended.has_value()) return false;
  const Write& last = target.writes.back();
  if (now >= last.at + job.response_timeout) return false;
  if (world.history().connections.at(last.connection).ended.has_value()) return false;
  return std::none_of(target.replies.begin(), target.replies.end(), [&](const Reply& reply) {
    return reply.call_id == last.call_id && reply.connection == last.connection;
  });
}

// J12.
void CheckCap(World& world, int64_t number, int device, const JobHistory& job) {
  if (job.in_flight_max == 0) return;
  const absl::Duration now = world.universe().queue.now();
  int in_flight = 0;
  for (int other = 0; other < world.device_count(); ++other) {
    const TargetHistory* target = world.history().FindTarget(number, other);
    if (target != nullptr && IsInFlight(world, job, *target, now)) ++in_flight;
  }
  if (in_flight <= job.in_flight_max) return;
  world.history().Fail("J12", number, device,
                       absl::StrCat(in_flight, " calls in flight, ", job.in_flight_max, " allowed"));
}

void CheckOldConnection(World& world, int64_t job, int device, uint64_t connection) {
  History& history = world.history();
  const int64_t epoch = history.connections.at(connection).epoch;
  const absl::Duration now = world.universe().queue.now();
  const absl::Duration bound = world.options().has_faults ? kOldConnectionFaulty : kOldConnectionHealthy;
  for (const uint64_t other : history.connections_of[device]) {
    const ConnectionHistory& newer = history.connections.at(other);
    if (newer.epoch > epoch && newer.accepted + bound < now && world.is_healthy() && history.IsKnown(newer, now)) {
      history.Fail("S1", job, device,
                   absl::StrCat("connection ", connection, " was used ", absl::FormatDuration(now - newer.accepted),
                                " after ", other, " was accepted"));
      return;
    }
  }
}

// The order of J7; equal ranks exclude each other.
int RankOf(JobState state) {
  switch (state) {
    case JobState::kQueued: return 0;
    case JobState::kScheduled: return 1;
    case JobState::kResolving: return 2;
    case JobState::kRunning: return 3;
    case JobState::kCancelling: return 4;
    case JobState::kCompleted:
    case JobState::kFailed:
    case JobState::kCancelled: return 5;
  }
  return 6;
}

bool CountsAdd(const job_store::JobCounts& counts) {
  const int64_t parts[] = {counts.pending, counts.running,   counts.succeeded,
                           counts.failed,  counts.timed_out, counts.canceled};
  int64_t sum = 0;
  for (const int64_t part : parts) {
    if (part < 0 || part > counts.total) return false;
    sum += part;
  }
  return sum == counts.total;
}

void CompareWithLast(World& world, int64_t number, const job_store::Job& last, const job_store::Job& read) {
  History& history = world.history();
  const auto fail = [&](const char* rule, const char* text) { history.Fail(rule, number, kNoDevice, text); };
  const int before = RankOf(last.state);
  const int after = RankOf(read.state);
  if (after < before || (after == before && last.state != read.state)) fail("J7", "the state went backwards");
  if (last.counts.total > 0 && read.counts.total != last.counts.total) fail("J3", "the number of targets changed");
  if (read.counts.succeeded < last.counts.succeeded || read.counts.failed < last.counts.failed ||
      read.counts.timed_out < last.counts.timed_out || read.counts.canceled < last.counts.canceled) {
    fail("J6", "a count of ended targets fell");
  }
  if (last.started_time.has_value() && read.started_time != last.started_time) fail("J14", "the job started twice");
}

}  // namespace

void OnWritten(World& world, int64_t job, int device, const TargetHistory& target) {
  History& history = world.history();
  const absl::Duration now = world.universe().queue.now();
  const Write& write = target.writes.back();
  CheckAttempts(world, job, device, target);
  const auto [rid, is_new] = history.rids.emplace(std::pair{device, write.call_id}, now);
  if (!is_new) history.Fail("M6", job, device, "a request id was used twice");
  CheckOldConnection(world, job, device, write.connection);
  if (IsDirect(job)) {
    // Edge and dispatcher have to agree on an instant: the permit's end, which is also the end of the wait.
    const std::optional<absl::Duration>& ended = history.directs.at(job).ended;
    if (ended.has_value() && now > *ended + kEpsilon) history.Fail("M2", job, device, "written after the reply");
    return;
  }
  if (target.ended.has_value() && now > *target.ended) history.Fail("M2", job, device, "written after the outcome");
  JobHistory& of_job = history.jobs.at(job);
  if (!of_job.first_action.has_value()) of_job.first_action = now;
  CheckWindow(world, job, device);
  CheckCap(world, job, device, of_job);
}

void OnTwinWritten(World& world, int64_t job, int device, const TargetHistory& target) {
  JobHistory& of_job = world.history().jobs.at(job);
  if (!of_job.first_action.has_value()) of_job.first_action = world.universe().queue.now();
  if (target.twin_writes.size() > 1) world.history().Fail("T8", job, device, "the job changed the twin twice");
  CheckWindow(world, job, device);
}

void OnJobRead(World& world, int64_t number, JobHistory& job, const job_store::Job& read) {
  History& history = world.history();
  const absl::Duration now = world.universe().queue.now();
  if (!CountsAdd(read.counts)) history.Fail("J6", number, kNoDevice, "the counts do not add up");
  if (job.last.has_value()) CompareWithLast(world, number, *job.last, read);
  if (read.deadline().has_value()) job.deadline = SinceStart(*read.deadline());
  if (IsTerminal(read.state)) {
    if (!job.ended.has_value()) job.ended = now;
    if (read.counts.pending + read.counts.running != 0) {
      history.Fail("J5", number, kNoDevice, "the job has ended, but not all of its targets have");
    }
  }
  const bool nothing_open = read.counts.total > 0 && read.counts.pending + read.counts.running == 0;
  if (nothing_open && !job.all_ended.has_value()) job.all_ended = now;
  if (job.all_ended.has_value() && !IsTerminal(read.state) && world.is_healthy() &&
      now > std::max(*job.all_ended, world.healthy_since) + kEndAfterLast) {
    history.Fail("J5", number, kNoDevice, "all targets have ended, but the job has not");
  }
  job.last = read;
}

void OnExecutionsRead(World& world, int64_t number, JobHistory& job, const std::vector<job_store::Execution>& all) {
  History& history = world.history();
  job_store::JobCounts counts;
  for (const job_store::Execution& execution : all) {
    ++counts.total;
    switch (execution.state) {
      case ExecutionState::kPending: ++counts.pending; break;
      case ExecutionState::kRunning: ++counts.running; break;
      case ExecutionState::kSucceeded: ++counts.succeeded; break;
      case ExecutionState::kFailed: ++counts.failed; break;
      case ExecutionState::kTimedOut: ++counts.timed_out; break;
      case ExecutionState::kCanceled: ++counts.canceled; break;
    }
    if (!IsTerminal(execution.state)) {
      if (job.terminal.contains(execution.n)) {
        history.Fail("J4", number, world.DeviceOf(execution.device_id), "a target that had ended is open again");
      }
      continue;
    }
    const auto [seen, is_new] = job.terminal.emplace(execution.n, execution);
    const job_store::Execution& before = seen->second;
    if (is_new || (before.state == execution.state && before.error_code == execution.error_code &&
                   before.payload == execution.payload && before.end_time == execution.end_time &&
                   before.device_status == execution.device_status && before.device_id == execution.device_id)) {
      continue;
    }
    history.Fail("J4", number, world.DeviceOf(execution.device_id), "the outcome of a target changed");
  }
  // Nothing happens between the two reads.
  if (!all.empty() && job.last.has_value() && !(counts == job.last->counts)) {
    history.Fail("A11", number, kNoDevice, "the counters differ from a recount of the executions");
  }
}

void OnRegistered(World& world, int device, int64_t epoch) {
  History& history = world.history();
  std::vector<int64_t>& epochs = history.registered[device];
  if (!epochs.empty() && epoch <= epochs.back()) {
    history.Fail("S2", kNoJob, device, absl::StrCat("epoch ", epoch, " after ", epochs.back()));
  }
  epochs.push_back(epoch);
  if (!history.all_epochs.insert(epoch).second) {
    history.Fail("S2", kNoJob, device, absl::StrCat("epoch ", epoch, " was given twice"));
  }
}

void OnAccepted(World& world, uint64_t connection, const ConnectionHistory& accepted) {
  History& history = world.history();
  for (const uint64_t other : history.connections_of[accepted.device]) {
    if (other == connection) break;
    const ConnectionHistory& older = history.connections.at(other);
    const bool was_before = older.connack.has_value() && *older.connack < accepted.connect_sent;
    if (was_before && older.epoch >= accepted.epoch) {
      history.Fail(
          "S2", kNoJob, accepted.device,
          absl::StrCat("connection ", connection, " got epoch ", accepted.epoch, ", an older one had ", older.epoch));
    }
  }
}

}  // namespace fleetcast::sim::rules
