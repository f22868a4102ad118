#include "libs/telemetry/metrics.h"

#include <map>

#include "libs/base/check.h"
#include "libs/base/mutex.h"
#include "prometheus/collectable.h"
#include "prometheus/counter.h"
#include "prometheus/family.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace fleetcast::telemetry {
namespace {

constexpr char kOther[] = "other";

// Gauges whose value is asked for at every scrape.
class ReadGauges : public prometheus::Collectable {
 public:
  // Removes its gauge when the last owner lets go.
  struct Registration {
    std::weak_ptr<ReadGauges> gauges;
    uint64_t id = 0;
    ~Registration() {
      if (const std::shared_ptr<ReadGauges> alive = gauges.lock()) alive->Remove(id);
    }
  };

  uint64_t Add(std::string name, std::string help, std::function<double()> read) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    const uint64_t id = next_id_++;
    gauges_.emplace(id, Entry{std::move(name), std::move(help), std::move(read)});
    return id;
  }

  void Remove(uint64_t id) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    gauges_.erase(id);
  }

  // Holds the lock while it reads, so that a removed gauge is not being read any more.
  std::vector<prometheus::MetricFamily> Collect() const override EXCLUDES(mutex_) {
    std::map<std::string, prometheus::MetricFamily> families;  // Several gauges of one name add up.
    MutexLock lock(mutex_);
    for (const auto& [id, gauge] : gauges_) {
      prometheus::MetricFamily& family = families[gauge.name];
      if (family.metric.empty()) {
        family.name = gauge.name;
        family.help = gauge.help;
        family.type = prometheus::MetricType::Gauge;
        family.metric.emplace_back();
      }
      family.metric.front().gauge.value += gauge.read();
    }
    std::vector<prometheus::MetricFamily> collected;
    for (auto& [name, family] : families) collected.push_back(std::move(family));
    return collected;
  }

 private:
  struct Entry {
    std::string name;
    std::string help;
    std::function<double()> read;
  };

  mutable Mutex mutex_;
  uint64_t next_id_ GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, Entry> gauges_ GUARDED_BY(mutex_);
};

prometheus::Labels MakeLabels(const std::vector<std::string>& names, const std::vector<std::string>& values) {
  prometheus::Labels labels;
  for (size_t i = 0; i < names.size(); ++i) labels[names[i]] = values[i];
  return labels;
}

}  // namespace

// One family of metrics of any kind; exactly one of the pointers is set.
struct FamilyState {
  std::vector<std::string> label_names;
  std::vector<double> bounds;
  prometheus::Family<prometheus::Counter>* counters = nullptr;
  prometheus::Family<prometheus::Gauge>* gauges = nullptr;
  prometheus::Family<prometheus::Histogram>* histograms = nullptr;

  Mutex mutex;
  std::map<std::vector<std::string>, void*> known GUARDED_BY(mutex);

  // The metric with these label values: the known one, else what `make` gives for the labels.
  template <typename Metric, typename Make>
  Metric* With(std::initializer_list<std::string_view> values, Make make) EXCLUDES(mutex) {
    FLEETCAST_CHECK(values.size() == label_names.size());
    std::vector<std::string> key(values.begin(), values.end());
    MutexLock lock(mutex);
    auto found = known.find(key);
    if (found == known.end() && known.size() >= kLabelSetsMax) {
      key.assign(label_names.size(), kOther);
      found = known.find(key);
    }
    if (found == known.end()) found = known.emplace(key, make(MakeLabels(label_names, key))).first;
    return static_cast<Metric*>(found->second);
  }
};

struct Metrics::State {
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  std::shared_ptr<ReadGauges> read_gauges = std::make_shared<ReadGauges>();
  Mutex mutex;
  std::map<std::string, std::unique_ptr<FamilyState>, std::less<>> families GUARDED_BY(mutex);

  // The family of that name; a new one is completed by `build`.
  template <typename Build>
  FamilyState* Family(std::string_view name, std::vector<std::string> labels, Build build) EXCLUDES(mutex) {
    MutexLock lock(mutex);
    std::unique_ptr<FamilyState>& family = families[std::string(name)];
    if (family == nullptr) {
      family = std::make_unique<FamilyState>();
      family->label_names = std::move(labels);
      build(*family);
    }
    return family.get();
  }
};

void Counter::Add(double amount) const {
  if (counter_ != nullptr) counter_->Increment(amount);
}
double Counter::value() const { return counter_ == nullptr ? 0 : counter_->Value(); }

void Gauge::Set(double value) const {
  if (gauge_ != nullptr) gauge_->Set(value);
}
void Gauge::Add(double amount) const {
  if (gauge_ != nullptr) gauge_->Increment(amount);
}
double Gauge::value() const { return gauge_ == nullptr ? 0 : gauge_->Value(); }

void Histogram::Observe(double value) const {
  if (histogram_ != nullptr) histogram_->Observe(value);
}

Counter CounterFamily::With(std::initializer_list<std::string_view> values) const {
  if (state_ == nullptr) return Counter();
  return Counter(state_->With<prometheus::Counter>(
      values, [this](const prometheus::Labels& labels) { return &state_->counters->Add(labels); }));
}

Gauge GaugeFamily::With(std::initializer_list<std::string_view> values) const {
  if (state_ == nullptr) return Gauge();
  return Gauge(state_->With<prometheus::Gauge>(
      values, [this](const prometheus::Labels& labels) { return &state_->gauges->Add(labels); }));
}

Histogram HistogramFamily::With(std::initializer_list<std::string_view> values) const {
  if (state_ == nullptr) return Histogram();
  return Histogram(state_->With<prometheus::Histogram>(
      values, [this](const prometheus::Labels& labels) { return &state_->histograms->Add(labels, state_->bounds); }));
}

std::vector<double> CallSeconds() {
  return {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};
}
std::vector<double> WaitSeconds() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300};
}
std::vector<double> BatchSizes() { return {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000}; }

Metrics::Metrics() : state_(std::make_shared<State>()) {}
Metrics::~Metrics() = default;

CounterFamily Metrics::NewCounters(std::string_view name, std::string_view help, std::vector<std::string> labels) {
  CounterFamily family;
  family.state_ = state_->Family(name, std::move(labels), [&](FamilyState& state) {
    state.counters =
        &prometheus::BuildCounter().Name(std::string(name)).Help(std::string(help)).Register(*state_->registry);
  });
  FLEETCAST_CHECK(family.state_->counters != nullptr);
  return family;
}

GaugeFamily Metrics::NewGauges(std::string_view name, std::string_view help, std::vector<std::string> labels) {
  GaugeFamily family;
  family.state_ = state_->Family(name, std::move(labels), [&](FamilyState& state) {
    state.gauges =
        &prometheus::BuildGauge().Name(std::string(name)).Help(std::string(help)).Register(*state_->registry);
  });
  FLEETCAST_CHECK(family.state_->gauges != nullptr);
  return family;
}

HistogramFamily Metrics::NewHistograms(std::string_view name, std::string_view help, std::vector<std::string> labels,
                                       std::vector<double> bounds) {
  HistogramFamily family;
  family.state_ = state_->Family(name, std::move(labels), [&](FamilyState& state) {
    state.bounds = std::move(bounds);
    state.histograms =
        &prometheus::BuildHistogram().Name(std::string(name)).Help(std::string(help)).Register(*state_->registry);
  });
  FLEETCAST_CHECK(family.state_->histograms != nullptr);
  return family;
}

Counter Metrics::NewCounter(std::string_view name, std::string_view help) {
  return NewCounters(name, help, {}).With({});
}
Gauge Metrics::NewGauge(std::string_view name, std::string_view help) { return NewGauges(name, help, {}).With({}); }
Histogram Metrics::NewHistogram(std::string_view name, std::string_view help, std::vector<double> bounds) {
  return NewHistograms(name, help, {}, std::move(bounds)).With({});
}

GaugeReader Metrics::ReadGauge(std::string_view name, std::string_view help, std::function<double()> read) {
  const uint64_t id = state_->read_gauges->Add(std::string(name), std::string(help), std::move(read));
  auto registration = std::make_shared<ReadGauges::Registration>();
  registration->gauges = state_->read_gauges;
  registration->id = id;
  return GaugeReader(std::move(registration));
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = state_->registry->Collect();
  for (prometheus::MetricFamily& family : state_->read_gauges->Collect()) families.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(families);
}

std::vector<std::shared_ptr<prometheus::Collectable>> Metrics::Collectables() const {
  return {state_->registry, state_->read_gauges};
}

}  // namespace fleetcast::telemetry
