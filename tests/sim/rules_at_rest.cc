// The rules that judge a whole run, when it has come to rest.
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/model/reasons.h"
#include "tests/sim/rules.h"
#include "tests/sim/sim_edge.h"
#include "tests/sim/sim_hub.h"

namespace fleetcast::sim::rules {
namespace {

using job_store::Execution;

constexpr absl::Duration kFirstActionLimit = absl::Seconds(5);  // J8
constexpr absl::Duration kSmallFirstAction = absl::Seconds(3);  // J13
constexpr absl::Duration kSmallEnd = absl::Seconds(15);
constexpr absl::Duration kDirectSlack = absl::Seconds(1);         // M7
constexpr absl::Duration kAnswerMargin = absl::Seconds(1);        // An answer so long before the deadline came in time.
constexpr absl::Duration kReadMargin = absl::Seconds(2);          // The end of a job is read so much later at most.
constexpr absl::Duration kOldConnectionLimit = absl::Seconds(5);  // S1

// True when the code says that nothing was sent to the device.
bool IsDenied(const Execution& execution) {
  if (execution.state == ExecutionState::kCanceled) return true;
  for (const std::string_view reason :
       {reasons::kDeviceNotOnline, reasons::kServerBusy, reasons::kTooManyInFlight, reasons::kDeviceNotFound,
        reasons::kDeviceDisabled, reasons::kExecutionExpired, reasons::kPayloadTooLarge}) {
    if (execution.error_reason == reason) return true;
  }
  return false;
}

// M3 and M4: the answer was sent by this device, on the connection on which the request had come, and after that.
void CheckAnswer(World& world, int64_t job, int device, const TargetHistory* target, const std::string& payload,
                 int32_t status) {
  History& history = world.history();
  if (target == nullptr) return history.Fail("M3", job, device, "answered, but nothing was sent");
  for (const Reply& reply : target->replies) {
    if (reply.payload != payload) continue;
    for (const Receipt& receipt : target->receipts) {
      if (receipt.call_id != reply.call_id) continue;
      if (receipt.connection != reply.connection) {
        return history.Fail("M4", job, device, "the answer came on another connection than the request");
      }
      if (receipt.at > reply.at) return history.Fail("M3", job, device, "the answer was sent before the request came");
      if (reply.status == status) return;
    }
  }
  history.Fail("M3", job, device, absl::StrCat("the device never answered this request with ", payload));
}

void CheckMethodOutcome(World& world, int64_t number, const Execution& execution) {
  History& history = world.history();
  const int device = world.DeviceOf(execution.device_id);
  const TargetHistory* target = history.FindTarget(number, device);
  const bool was_written = target != nullptr && !target->writes.empty();
  if (execution.state == ExecutionState::kSucceeded) {
    CheckAnswer(world, number, device, target, execution.payload, execution.device_status.value_or(0));
  }
  if (IsDenied(execution) && was_written) {
    const bool is_cancelled = execution.state == ExecutionState::kCanceled;
    history.Fail(is_cancelled ? "J11" : "M9", number, device,
                 absl::StrCat("was called, but reported as ", is_cancelled ? "canceled" : execution.error_reason));
  }
}

void CheckTwinOutcome(World& world, int64_t number, const Execution& execution) {
  History& history = world.history();
  const int device = world.DeviceOf(execution.device_id);
  const TargetHistory* target = history.FindTarget(number, device);
  const bool was_written = target != nullptr && !target->twin_writes.empty();
  if (execution.state == ExecutionState::kSucceeded && !was_written) {
    history.Fail("T8", number, device, "succeeded, but the twin was not changed");
  }
  if (IsDenied(execution) && was_written) {
    history.Fail(execution.state == ExecutionState::kCanceled ? "J11" : "M9", number, device,
                 "the twin was changed, but reported as not");
  }
}

}  // namespace

void CheckTargets(World& world) {
  History& history = world.history();
  for (const auto& [number, job] : history.jobs) {
    std::set<std::string> targets;
    for (const auto& [n, execution] : job.terminal) {
      if (!targets.insert(execution.device_id).second)
        history.Fail("J3", number, world.DeviceOf(execution.device_id), "twice in the target set");
    }
    if (!job.last.has_value() || job.last->counts.total == 0) continue;  // It ended before the set was frozen.
    for (const std::string& device_id : job.matched) {
      if (!targets.contains(device_id))
        history.Fail("J3", number, world.DeviceOf(device_id), "matched, but is not in the target set");
    }
  }
}

void CheckOutcomes(World& world) {
  History& history = world.history();
  for (const auto& [number, job] : history.jobs) {
    if (static_cast<int64_t>(job.terminal.size()) != job.last->counts.total) {
      history.Fail("J4", number, kNoDevice, "the job has ended, but not every target has a status");
    }
    for (const auto& [n, execution] : job.terminal) {
      if (job.is_method) {
        CheckMethodOutcome(world, number, execution);
      } else {
        CheckTwinOutcome(world, number, execution);
      }
    }
  }
}

void CheckAnswers(World& world) {
  History& history = world.history();
  for (const auto& [number, job] : history.jobs) {
    if (!job.is_method) continue;
    const absl::Duration limit = std::get<job_store::MethodAction>(job.last->spec.action).response_timeout;
    for (const auto& [n, execution] : job.terminal) {
      const int device = world.DeviceOf(execution.device_id);
      const TargetHistory* target = history.FindTarget(number, device);
      if (target == nullptr || target->receipts.empty()) continue;
      const Receipt& receipt = target->receipts.front();
      const auto first = std::find_if(target->replies.begin(), target->replies.end(), [&](const Reply& reply) {
        return reply.call_id == receipt.call_id && reply.connection == receipt.connection;
      });
      const bool in_time = first != target->replies.end() && first->at < receipt.at + limit - kAnswerMargin &&
                           (!job.ended.has_value() || first->at < *job.ended - kReadMargin);
      if (in_time && execution.payload != first->payload) {
        history.Fail("M5", number, device,
                     absl::StrCat("answered ", first->payload, " in time, recorded is ", execution.error_reason,
                                  execution.payload));
      }
    }
  }
}

void CheckFairness(World& world) {
  History& history = world.history();
  for (const auto& [number, job] : history.jobs) {
    if (job.cancel_acknowledged.has_value()) continue;
    const RolloutPolicy& rollout = job.last->spec.rollout;  // A paced job starts when its first devices may.
    if (job.start_time.has_value() && !rollout.is_limited()) {
      const absl::Duration start = std::max(job.created, *job.start_time - ProcessClock::WallStart());
      if (!job.first_action.has_value() || *job.first_action > start + kFirstActionLimit) {
        history.Fail("J8", number, kNoDevice, "started late");
      }
    }
    if (!job.is_small) continue;
    if (!job.first_action.has_value() || *job.first_action > job.created + kSmallFirstAction) {
      history.Fail("J13", number, kNoDevice, "a small job waited for a big one");
    }
    const auto* method = std::get_if<job_store::MethodAction>(&job.last->spec.action);
    const absl::Duration device_time = method == nullptr ? absl::ZeroDuration() : method->response_timeout;
    if (!job.ended.has_value() || *job.ended > job.created + kSmallEnd + device_time) {
      history.Fail("J13", number, kNoDevice, "a small job ended late");
    }
  }
}

void CheckDirect(World& world) {
  History& history = world.history();
  for (const auto& [number, direct] : history.directs) {
    if (!direct.ended.has_value()) continue;  // The process that had it was killed: its caller hears UNAVAILABLE.
    const TargetHistory* target = history.FindTarget(number, direct.device);
    const bool was_written = target != nullptr && !target->writes.empty();
    if (direct.was_denied && was_written) history.Fail("M7", number, direct.device, "reported as not sent, but was");
    if (direct.was_answered) {
      CheckAnswer(world, number, direct.device, target, direct.payload,
                  200 + (was_written ? static_cast<int>(target->writes.front().call_id % 3) : 0));
    }
    if (!world.options().has_faults && *direct.ended > direct.started + direct.limit + kDirectSlack) {
      history.Fail("M7", number, direct.device, "the reply came late");
    }
  }
}

void CheckSessions(World& world) {
  History& history = world.history();
  for (const auto& [connection, old] : history.connections) {
    if (old.epoch == 0) continue;
    for (const uint64_t other : history.connections_of[old.device]) {
      const ConnectionHistory& newer = history.connections.at(other);
      if (newer.epoch <= old.epoch) continue;
      const absl::Duration end = old.ended.value_or(world.universe().queue.now());
      const bool had_faults = world.is_healthy() && world.options().has_faults;
      const absl::Duration healthy = had_faults ? world.healthy_since + absl::Seconds(15) : newer.accepted;
      const absl::Duration limit = std::max(newer.accepted, healthy) + kOldConnectionLimit;
      if (end > limit && history.IsKnown(newer, limit)) {
        history.Fail("S1", kNoJob, old.device, absl::StrCat("connection ", connection, " stayed open beside ", other));
      }
    }
  }
  for (int device = 0; device < world.device_count(); ++device) {
    int64_t live = 0;
    for (int edge = 0; edge < world.options().edges; ++edge) live = std::max(live, world.edge(edge).EpochOf(device));
    for (int hub = 0; hub < world.options().hubs; ++hub) {
      const auto found = world.hub(hub).Find(world.DeviceId(device));
      const bool is_here = found.kind == device_connection::FoundSession::Kind::kHere;
      if (live != 0 && (!is_here || found.entry.epoch != live)) {
        history.Fail("S3", kNoJob, device,
                     absl::StrCat("connected with epoch ", live, ", but hub ", hub, " knows ", found.entry.epoch));
      } else if (live == 0 && is_here) {
        history.Fail("S5", kNoJob, device,
                     absl::StrCat("not connected, but hub ", hub, " says epoch ", found.entry.epoch));
      }
    }
  }
}

}  // namespace fleetcast::sim::rules
