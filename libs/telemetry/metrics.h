// Metrics: counters, gauges and histograms, exposed for Prometheus on /metrics.
//
//   class Sender {
//     explicit Sender(telemetry::Metrics& metrics)
//         : sent_(metrics.NewCounter("fleetcast_sent_total", "Requests written to devices")),
//           results_(metrics.NewCounters("fleetcast_results_total", "Results by kind", {"kind"})) {}
//   …
//     sent_.Add();                       // A handle: an atomic addition.
//     results_.With({"ok"}).Add();       // A look-up under a lock: keep the handle where it is hot.
//
// Names: `fleetcast_…`, unit at the end (_seconds, _bytes), counters end in _total. Labels are bounded: never a device
// id, a job id or text from outside. A family folds everything beyond its bound of label sets into one, where each
// label is "other".
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace prometheus {
class Collectable;
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace fleetcast::telemetry {

// The handles below are small values. They refer to the Metrics that made them, which must outlive them; one made by
// its default constructor does nothing. Thread-safe.

// Only goes up.
class Counter {
 public:
  Counter() = default;
  // `amount` >= 0.
  void Add(double amount = 1) const;
  double value() const;

 private:
  friend class Metrics;
  friend class CounterFamily;
  explicit Counter(prometheus::Counter* counter) : counter_(counter) {}
  prometheus::Counter* counter_ = nullptr;
};

// Goes up and down.
class Gauge {
 public:
  Gauge() = default;
  void Set(double value) const;
  void Add(double amount = 1) const;
  double value() const;

 private:
  friend class Metrics;
  friend class GaugeFamily;
  explicit Gauge(prometheus::Gauge* gauge) : gauge_(gauge) {}
  prometheus::Gauge* gauge_ = nullptr;
};

// Counts observations per bucket. Takes a lock: for once per request or batch, not once per device.
class Histogram {
 public:
  Histogram() = default;
  void Observe(double value) const;

 private:
  friend class Metrics;
  friend class HistogramFamily;
  explicit Histogram(prometheus::Histogram* histogram) : histogram_(histogram) {}
  prometheus::Histogram* histogram_ = nullptr;
};

// How many different label sets a family holds before it folds the rest into "other".
inline constexpr size_t kLabelSetsMax = 200;

struct FamilyState;  // In metrics.cc.

// Metrics of one name that differ by labels. Small values, as the handles.
class CounterFamily {
 public:
  // The one with these label values, in the order of the label names; made when first asked for. Takes a lock.
  Counter With(std::initializer_list<std::string_view> values) const;

 private:
  friend class Metrics;
  FamilyState* state_ = nullptr;
};

class GaugeFamily {
 public:
  Gauge With(std::initializer_list<std::string_view> values) const;

 private:
  friend class Metrics;
  FamilyState* state_ = nullptr;
};

class HistogramFamily {
 public:
  Histogram With(std::initializer_list<std::string_view> values) const;

 private:
  friend class Metrics;
  FamilyState* state_ = nullptr;
};

// Bucket bounds in seconds: calls between services (5 ms … 10 s, as OpenTelemetry advises), and quick or long waits.
std::vector<double> CallSeconds();  // 0.005 … 10
std::vector<double> WaitSeconds();  // 0.001 … 300
std::vector<double> BatchSizes();   // 1 … 5000

// Removes a gauge that is read by a function, when destroyed. Movable.
class GaugeReader {
 public:
  GaugeReader() = default;
  explicit GaugeReader(std::shared_ptr<void> registration) : registration_(std::move(registration)) {}

 private:
  std::shared_ptr<void> registration_;
};

// All metrics of one process (or one test). Thread-safe. Asking twice for one name gives the same metric; the second
// help text, label names and buckets are ignored.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Counter NewCounter(std::string_view name, std::string_view help);
  Gauge NewGauge(std::string_view name, std::string_view help);
  Histogram NewHistogram(std::string_view name, std::string_view help, std::vector<double> bounds);
  CounterFamily NewCounters(std::string_view name, std::string_view help, std::vector<std::string> labels);
  GaugeFamily NewGauges(std::string_view name, std::string_view help, std::vector<std::string> labels);
  HistogramFamily NewHistograms(std::string_view name, std::string_view help, std::vector<std::string> labels,
                                std::vector<double> bounds);

  // A gauge whose value is asked for at every scrape: depth of a queue, size of a table. `read` must be quick and
  // thread-safe; it is not called any more once the returned reader is destroyed (keep it as the last member).
  [[nodiscard]] GaugeReader ReadGauge(std::string_view name, std::string_view help, std::function<double()> read);

  // Everything in Prometheus' text format.
  std::string Text() const;

 private:
  friend class MetricsServer;
  struct State;
  // What a scrape reads.
  std::vector<std::shared_ptr<prometheus::Collectable>> Collectables() const;

  std::shared_ptr<State> state_;
};

// Serves GET /metrics over HTTP until destroyed.
class MetricsServer {
 public:
  // `listen` is host:port; port 0 takes a free one. UNAVAILABLE when the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(std::string_view listen, const Metrics& metrics);
  ~MetricsServer();

  // The port that was bound.
  int port() const;

 private:
  struct State;
  explicit MetricsServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fleetcast::telemetry
