#include "tests/sim/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/reasons.h"
#include "libs/telemetry/log.h"
#include "tests/sim/rules.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_dispatcher.h"
#include "tests/sim/sim_edge.h"
#include "tests/sim/sim_hub.h"
#include "tests/sim/sim_scheduler.h"

namespace fleetcast::sim {
namespace {

constexpr std::string_view kJobPrefix = "job-";
constexpr std::string_view kDirectPrefix = "direct-";
constexpr size_t kRecentCalls = 20;

template <typename Slots>
void AddAll(Slots& slots, std::vector<Process*>& processes) {
  for (const auto& slot : slots) processes.push_back(slot.get());
}

}  // namespace

int64_t JobOfMethod(std::string_view method) {
  const bool is_direct = method.starts_with(kDirectPrefix);
  int64_t number = 0;
  FLEETCAST_CHECK(absl::SimpleAtoi(Absl(method.substr((is_direct ? kDirectPrefix : kJobPrefix).size())), &number));
  return number;
}

World::World(const WorldOptions& options, SimMetrics& metrics)
    : options_(options),
      metrics_(metrics),
      universe_(options.seed),
      database_clock_(universe_.queue),
      store_(database_clock_),
      redis_(universe_),
      twin_(universe_, history_, options_) {
  twin_.number_of_seq = [this](int64_t job_seq) { return NumberOfSeq(job_seq); };
  twin_.on_written = [this](int64_t job, int device) {
    rules::OnTwinWritten(*this, job, device, history_.Target(job, device));
  };
  telemetry::SetLogLevel(telemetry::LogLevel::kError);  // Faults are the rule here.
  redis_.closes_any_epoch = options_.mutations.redis_closes_any_epoch;
  if (options_.mutations.store_starts_early) database_clock_.SetSkew(absl::Seconds(2));
  for (int i = 0; i < options_.hubs; ++i) hubs_.push_back(std::make_unique<SimHub>(*this, i));
  for (int i = 0; i < options_.dispatchers; ++i) dispatchers_.push_back(std::make_unique<SimDispatcher>(*this, i));
  for (int i = 0; i < options_.schedulers; ++i) schedulers_.push_back(std::make_unique<SimScheduler>(*this, i));
  for (int i = 0; i < options_.edges; ++i) edges_.push_back(std::make_unique<SimEdge>(*this, i));
  for (const auto& dispatcher : dispatchers_) dispatcher->AddHubs();
  for (const auto& edge : edges_) edge->AddHubs();
  for (int i = 0; i < options_.devices; ++i) AddDevice();
  for (Process* process : processes()) {
    const absl::Duration skew = universe_.random.Between(absl::ZeroDuration(), 2 * options_.skew_max);
    process->clock().SetSkew(skew - options_.skew_max);
  }
}

World::~World() = default;

std::vector<Process*> World::processes() {
  std::vector<Process*> all = {&twin_};
  AddAll(hubs_, all);
  AddAll(dispatchers_, all);
  AddAll(edges_, all);
  AddAll(schedulers_, all);
  return all;
}

int World::AddDevice() {
  const int index = static_cast<int>(devices_.size());
  devices_.push_back(std::make_unique<SimDevice>(*this, index));
  devices_.back()->Start();
  twin_.Register(DeviceId(index), index);
  return index;
}

std::string World::DeviceId(int index) const { return absl::StrFormat("d-%05d", index); }

int World::DeviceOf(std::string_view device_id) const {
  int index = kNoDevice;
  FLEETCAST_CHECK(absl::SimpleAtoi(Absl(device_id.substr(2)), &index));
  return index;
}

void World::StartAll() {
  for (Process* process : processes()) {
    process->Resume();
    process->Start();
  }
}

int64_t World::CreateJob(job_store::JobSpec spec) {
  const int64_t number = static_cast<int64_t>(history_.jobs.size()) + 1;
  JobHistory job;
  job.id = absl::StrCat(Absl(kJobPrefix), number);
  job.is_method = std::holds_alternative<job_store::MethodAction>(spec.action);
  job.start_time = spec.start_time;
  job.created = universe_.queue.now();
  job.is_small = spec.condition == "few";
  job.in_flight_max = spec.rollout.in_flight_max;
  for (const RetryCriterion& criterion : spec.retry.criteria) {
    job.retries = std::max(job.retries, criterion.number_of_retries);
  }
  if (options_.mutations.store_ignores_caps) spec.rollout.in_flight_max = 0;
  for (const auto& [device_id, device] : twin_.devices()) {
    if (!job.is_small || device < SimTwin::kFew) job.matched.push_back(device_id);
  }
  if (auto* method = std::get_if<job_store::MethodAction>(&spec.action)) {
    method->method = job.id;
    job.response_timeout = method->response_timeout;
  }
  spec.id = job.id;
  job_store::CreateRequest request;
  request.request_hash = spec.id;
  request.spec = std::move(spec);
  const auto created = store_.CreateJob(wall(), request);
  FLEETCAST_CHECK(created.ok());
  number_of_seq_[created->job.seq] = number;
  history_.jobs[number] = std::move(job);
  universe_.Note("job created", number);
  for (const auto& scheduler : schedulers_) {
    if (scheduler->is_alive()) scheduler->Hint();
  }
  return number;
}

void World::CancelJob(int64_t number) {
  JobHistory& job = history_.jobs.at(number);
  if (options_.mutations.cancel_answers_early && !job.cancel_acknowledged.has_value()) {
    job.cancel_acknowledged = universe_.queue.now();
    universe_.queue.After(absl::Seconds(2), [this, number] { CancelJob(number); });
    return;
  }
  job_store::CancelRequest request;
  request.job_id = job.id;
  request.drain = absl::Seconds(60);
  const auto cancelled = store_.CancelJob(wall(), request);
  if (!cancelled.ok()) return;
  universe_.Note("job cancelled", number);
  for (const auto& scheduler : schedulers_) {
    if (scheduler->is_alive()) scheduler->Hint();
  }
  // job_api answers when the permits have run out.
  universe_.queue.After(cancelled->was_issuing ? kPermit : absl::ZeroDuration(), [this, number, &job] {
    if (!job.cancel_acknowledged.has_value()) job.cancel_acknowledged = universe_.queue.now();
    universe_.Note("cancel answered", number);
  });
}

void World::Invoke(int device, absl::Duration connect_timeout, absl::Duration response_timeout) {
  SimDispatcher& dispatcher = *dispatchers_[universe_.random.Below(dispatchers_.size())];
  if (!dispatcher.is_alive() || dispatcher.is_paused()) return;
  const int64_t number = ++last_direct_;
  DirectHistory& direct = history_.directs[number];
  direct.device = device;
  direct.started = universe_.queue.now();
  direct.limit = response_timeout;
  auto request = std::make_shared<internal::v1::MethodRequest>();
  request->set_method(absl::StrCat(Absl(kDirectPrefix), number));
  request->set_payload("{}");
  universe_.Note("direct call", number, device);
  dispatcher.Invoke({.device_id = DeviceId(device),
                     .request = std::move(request),
                     .connect_timeout = connect_timeout,
                     .response_timeout = response_timeout},
                    [this, number, &direct](const absl::Status& status, const internal::v1::Answer& answer) {
                      direct.ended = universe_.queue.now();
                      direct.was_answered = status.ok();
                      direct.payload = answer.payload();
                      const auto reason = GetReason(status);
                      direct.was_denied = reason == reasons::kDeviceNotOnline || reason == reasons::kServerBusy ||
                                          reason == reasons::kTooManyInFlight;
                      universe_.Note("direct reply", number, direct.device, static_cast<int64_t>(status.code()));
                    });
}

job_store::Job World::ReadJob(JobHistory& job) {
  auto read = store_.GetJob(wall(), job.id);
  FLEETCAST_CHECK(read.ok());
  if (read->counts.succeeded > 5) Spoil(*read);
  return *std::move(read);
}

void World::Spoil(job_store::Job& job) {
  const Mutations& mutations = options_.mutations;
  if (mutations.store_counts_twice) ++job.counts.succeeded;
  if (mutations.store_mixes_counts) {
    --job.counts.succeeded;
    ++job.counts.failed;
  }
  if (job.state != JobState::kRunning) return;
  if (mutations.store_starts_twice) *job.started_time += absl::Milliseconds(universe_.random.Below(2));
  if (mutations.store_goes_back && universe_.random.Chance(200)) job.state = JobState::kQueued;
  if (mutations.store_ends_early && job.counts.running > 0) job.state = JobState::kCompleted;
}

std::vector<job_store::Execution> World::ListExecutions(const JobHistory& job) {
  job_store::ListExecutionsRequest request;
  request.job_id = job.id;
  request.page_size = job_store::kPageSizeMax;
  std::vector<job_store::Execution> all;
  do {
    auto page = store_.ListExecutions(wall(), request);
    FLEETCAST_CHECK(page.ok());
    all.insert(all.end(), std::make_move_iterator(page->entries.begin()), std::make_move_iterator(page->entries.end()));
    request.after_n = page->next;
  } while (request.after_n.has_value());
  for (job_store::Execution& execution : all) {
    const bool is_changed = options_.mutations.store_replaces_outcomes && execution.n == 7;
    if (is_changed && IsTerminal(execution.state)) execution.end_time = wall();
    const bool is_denied = options_.mutations.store_denies_calls && job.cancel_acknowledged.has_value();
    if (is_denied && execution.state == ExecutionState::kSucceeded) execution.state = ExecutionState::kCanceled;
  }
  return all;
}

void World::Read(bool executions) {
  for (auto& [number, job] : history_.jobs) {
    const bool was_ended = job.ended.has_value();
    const job_store::Job read = ReadJob(job);
    rules::OnJobRead(*this, number, job, read);
    if (executions || (job.ended.has_value() && !was_ended))
      rules::OnExecutionsRead(*this, number, job, ListExecutions(job));
  }
}

bool World::all_ended() const {
  return std::all_of(history_.jobs.begin(), history_.jobs.end(),
                     [](const auto& entry) { return entry.second.ended.has_value(); });
}

void World::RunFor(absl::Duration duration) {
  const absl::Duration end = universe_.queue.now() + duration;
  while (universe_.queue.RunNext(end)) {
  }
}

void World::OnWritten(int64_t job, int device, uint64_t call_id, uint64_t connection) {
  universe_.Note("edge wrote", job, device, static_cast<int64_t>(connection));
  TargetHistory& target = history_.Target(job, device);
  target.writes.push_back({universe_.queue.now(), call_id, connection});
  calls_.push_back({job, device, call_id});
  rules::OnWritten(*this, job, device, target);
}

void World::OnRecorded(std::span<const job_store::Outcome> outcomes) {
  for (const job_store::Outcome& outcome : outcomes) {
    const int64_t number = NumberOfSeq(outcome.lease.key.job_seq);
    JobHistory& job = history_.jobs.at(number);
    if (job.targets.empty()) ListTargets(job);
    const int64_t n = int64_t{outcome.lease.key.chunk_no} * job_store::kChunkTargets + outcome.position;
    if (n >= static_cast<int64_t>(job.targets.size())) continue;
    const int device = job.targets[static_cast<size_t>(n)];
    TargetHistory& target = history_.Target(number, device);
    if (target.ended.has_value()) continue;
    const auto execution = store_.GetExecution(wall(), job.id, DeviceId(device));
    if (!execution.ok() || !IsTerminal(execution->state)) continue;
    target.ended = universe_.queue.now();
    universe_.Note("outcome committed", number, device, static_cast<int64_t>(execution->state), execution->error_code);
  }
}

void World::ListTargets(JobHistory& job) {
  for (const job_store::Execution& execution : ListExecutions(job))
    job.targets.push_back(DeviceOf(execution.device_id));
}

void World::OnRegistered(const std::string& device_id, int64_t epoch) {
  rules::OnRegistered(*this, DeviceOf(device_id), epoch);
}

void World::OnAccepted(uint64_t connection, int64_t epoch) {
  ConnectionHistory& history = history_.connections.at(connection);
  history.epoch = epoch;
  history.accepted = universe_.queue.now();
  universe_.Note("edge accepts", kNoJob, history.device, static_cast<int64_t>(connection), epoch);
  rules::OnAccepted(*this, connection, history);
}

void World::OnConnectionEnded(uint64_t connection, int reason) {
  ConnectionHistory& history = history_.connections.at(connection);
  if (!history.ended.has_value()) history.ended = universe_.queue.now();
  universe_.Note("connection ended", kNoJob, history.device, static_cast<int64_t>(connection), reason);
}

uint64_t World::NewConnection(int device) {
  const uint64_t connection = ++last_connection_;
  ConnectionHistory& history = history_.connections[connection];
  history.device = device;
  history.connect_sent = universe_.queue.now();
  history_.connections_of[device].push_back(connection);
  universe_.Note("device connects", kNoJob, device, static_cast<int64_t>(connection));
  return connection;
}

std::optional<World::WrittenCall> World::CallOfAnother(int device) {
  std::vector<const WrittenCall*> recent;
  for (auto call = calls_.rbegin(); call != calls_.rend() && recent.size() < kRecentCalls; ++call) {
    if (call->device != device) recent.push_back(&*call);
  }
  if (recent.empty()) return std::nullopt;
  return *recent[universe_.random.Below(recent.size())];
}

}  // namespace fleetcast::sim
