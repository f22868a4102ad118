#include "services/scheduler/sim/sim_world.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "libs/base/check.h"
#include "libs/telemetry/log.h"

namespace fleetcast::scheduler::sim {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(200);

}  // namespace

SimWorld::SimWorld(const SimOptions& options)
    : options_(options), random_(options.seed), fleet_(queue_, clock_, random_, options.dispatchers, options.writers) {
  telemetry::SetLogLevel(telemetry::LogLevel::kError);  // Thousands of jobs start and end here.
}

SimWorld::~SimWorld() = default;

std::string SimWorld::DeviceId(int index) const { return absl::StrFormat("device-%05d", index); }

void SimWorld::AddDevices(int count) {
  for (int i = 0; i < count; ++i) fleet_.device(DeviceId(i));
}

void SimWorld::CreateMethodJob(const std::string& id, const std::function<void(job_store::JobSpec&)>& edit) {
  job_store::JobSpec spec;
  spec.id = id;
  spec.action = job_store::MethodAction{
      .method = "lockDoor", .payload = "{}", .response_timeout = absl::Seconds(30), .connect_timeout = {}};
  CreateJob(std::move(spec), edit);
}

void SimWorld::CreateTwinJob(const std::string& id, const std::function<void(job_store::JobSpec&)>& edit) {
  job_store::JobSpec spec;
  spec.id = id;
  spec.action = job_store::TwinAction{.tags_patch = R"({"floor":3})", .desired_patch = "", .etag = "*"};
  CreateJob(std::move(spec), edit);
}

void SimWorld::CreateJob(job_store::JobSpec spec, const std::function<void(job_store::JobSpec&)>& edit) {
  spec.condition = "*";
  spec.execution_timeout = absl::Hours(1);
  if (edit) edit(spec);
  job_store::CreateRequest request;
  request.request_hash = spec.id;
  request.spec = std::move(spec);
  FLEETCAST_CHECK(store_.CreateJob(clock_.Now(), request).ok());
}

job_store::Job SimWorld::GetJob(const std::string& id) {
  auto job = store_.GetJob(clock_.Now(), id);
  FLEETCAST_CHECK(job.ok());
  return *std::move(job);
}

std::vector<job_store::Execution> SimWorld::Executions(const std::string& id) {
  std::vector<job_store::Execution> all;
  job_store::ListExecutionsRequest request;
  request.job_id = id;
  request.page_size = job_store::kPageSizeMax;
  do {
    auto page = store_.ListExecutions(clock_.Now(), request);
    FLEETCAST_CHECK(page.ok());
    all.insert(all.end(), page->entries.begin(), page->entries.end());
    request.after_n = page->next;
  } while (request.after_n.has_value());
  return all;
}

SimWorld::Scheduler& SimWorld::At(int which) {
  while (static_cast<size_t>(which) >= schedulers_.size()) {
    schedulers_.emplace_back(*this, static_cast<int>(schedulers_.size()));
  }
  return schedulers_[static_cast<size_t>(which)];
}

void SimWorld::Start(int which) {
  Scheduler& scheduler = At(which);
  FLEETCAST_CHECK(scheduler.engine == nullptr);
  const uint64_t life = ++scheduler.life;
  EngineOptions options = options_.engine;
  options.owner = absl::StrFormat("scheduler-%d/%d", which, life);
  options.dispatchers = options_.dispatchers;
  options.writers = options_.writers;
  options.method.random = &random_;
  scheduler.engine = std::make_unique<Engine>(options, faulty_, scheduler, fleet_.effects(which), clock_, metrics_);
  StarterOptions starting;
  starting.owner = options.owner;
  scheduler.starter = std::make_unique<Starter>(starting, store_, static_cast<TargetSource&>(*this), clock_, metrics_,
                                                [&scheduler] { scheduler.engine->OnHint(); });
  fleet_.Connect(which,
                 [this, &scheduler, life](std::function<void(Engine&)> event) { OnEngine(scheduler, life, event); });
  Tick(scheduler, life);
  Poll(scheduler, life);
}

void SimWorld::Kill(int which) {
  Scheduler& scheduler = At(which);
  if (scheduler.engine == nullptr) return;
  ++scheduler.life;
  scheduler.dead.push_back(std::move(scheduler.engine));
  scheduler.starter.reset();
  fleet_.Connect(which, nullptr);
}

void SimWorld::OnEngine(Scheduler& scheduler, uint64_t life, const std::function<void(Engine&)>& event) {
  if (scheduler.engine == nullptr || life != scheduler.life) return;
  event(*scheduler.engine);
  scheduler.engine->Pump();
}

void SimWorld::Tick(Scheduler& scheduler, uint64_t life) {
  if (life != scheduler.life) return;
  scheduler.engine->Pump();
  queue_.After(Engine::kTick, [this, &scheduler, life] { Tick(scheduler, life); });
}

void SimWorld::Poll(Scheduler& scheduler, uint64_t life) {
  if (life != scheduler.life) return;
  scheduler.starter->RunOnce({});
  queue_.After(kPoll, [this, &scheduler, life] { Poll(scheduler, life); });
}

void SimWorld::CallStore(Scheduler& scheduler, std::function<std::function<void()>()> call) {
  const uint64_t life = scheduler.life;
  const absl::Duration there = random_.Between(absl::Microseconds(200), absl::Milliseconds(4));
  queue_.After(there, [this, &scheduler, life, call = std::move(call)] {
    if (life != scheduler.life && random_.Chance(500)) return;  // The statement died with its process.
    const std::function<void()> done = call();
    const absl::Duration back = random_.Between(absl::Microseconds(100), absl::Milliseconds(2));
    queue_.After(back, [this, &scheduler, life, done] { OnEngine(scheduler, life, [&done](Engine&) { done(); }); });
  });
}

absl::Status SimWorld::StreamTargets(std::string_view, std::string_view after_device_id, std::stop_token,
                                     const std::function<absl::Status(std::vector<std::string> page)>& on_page) {
  std::vector<std::string> ids;
  for (const auto& [id, device] : fleet_.devices()) {
    if (id > after_device_id && ids.size() < targets_max) ids.push_back(id);
  }
  return on_page(std::move(ids));
}

bool SimWorld::Run(absl::Duration duration, const std::function<bool()>& done) {
  const absl::Duration end = clock_.Monotonic() + duration;
  while (!done()) {
    if (!queue_.RunNext(end)) return done();
  }
  return true;
}

bool SimWorld::RunUntilEnded(const std::string& id, absl::Duration limit) {
  const absl::Duration end = clock_.Monotonic() + limit;
  while (clock_.Monotonic() < end) {
    if (IsTerminal(GetJob(id).state)) return true;
    Run(absl::Milliseconds(20));
  }
  return IsTerminal(GetJob(id).state);
}

}  // namespace fleetcast::scheduler::sim
