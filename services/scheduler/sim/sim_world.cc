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

void SimWorld::Start() {
  FLEETCAST_CHECK(engine_ == nullptr);
  const uint64_t life = ++life_;
  EngineOptions options = options_.engine;
  options.owner = absl::StrFormat("scheduler/%d", life);
  options.dispatchers = options_.dispatchers;
  options.writers = options_.writers;
  engine_ = std::make_unique<Engine>(options, faulty_, static_cast<StoreExecutor&>(*this), fleet_, clock_, metrics_);
  StarterOptions starting;
  starting.owner = options.owner;
  starter_ = std::make_unique<Starter>(starting, store_, static_cast<TargetSource&>(*this), clock_, metrics_,
                                       [this] { engine_->OnHint(); });
  fleet_.Connect([this, life](std::function<void(Engine&)> event) { OnEngine(life, event); });
  Tick(life);
  Poll(life);
}

void SimWorld::Kill() {
  if (engine_ == nullptr) return;
  ++life_;
  dead_.push_back(std::move(engine_));
  starter_.reset();
  fleet_.Connect(nullptr);
}

void SimWorld::OnEngine(uint64_t life, const std::function<void(Engine&)>& event) {
  if (engine_ == nullptr || life != life_) return;
  event(*engine_);
  engine_->Pump();
}

void SimWorld::Tick(uint64_t life) {
  if (life != life_) return;
  engine_->Pump();
  queue_.After(Engine::kTick, [this, life] { Tick(life); });
}

void SimWorld::Poll(uint64_t life) {
  if (life != life_) return;
  starter_->RunOnce({});
  queue_.After(kPoll, [this, life] { Poll(life); });
}

void SimWorld::Run(std::function<std::function<void()>()> call) {
  const uint64_t life = life_;
  const absl::Duration there = random_.Between(absl::Microseconds(200), absl::Milliseconds(4));
  queue_.After(there, [this, life, call = std::move(call)] {
    if (life != life_ && random_.Chance(500)) return;  // The statement died with its process.
    const std::function<void()> done = call();
    const absl::Duration back = random_.Between(absl::Microseconds(100), absl::Milliseconds(2));
    queue_.After(back, [this, life, done] { OnEngine(life, [&done](Engine&) { done(); }); });
  });
}

absl::Status SimWorld::StreamTargets(std::string_view, std::string_view after_device_id, std::stop_token,
                                     const std::function<absl::Status(std::vector<std::string> page)>& on_page) {
  std::vector<std::string> ids;
  for (const auto& [id, device] : fleet_.devices()) {
    if (id > after_device_id) ids.push_back(id);
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
