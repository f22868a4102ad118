#include "libs/telemetry/metrics.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fleetcast::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, ExposesWhatHandlesCount) {
  Metrics metrics;
  metrics.NewCounter("fleetcast_sent_total", "Sent").Add(3);
  metrics.NewGauge("fleetcast_open", "Open").Set(7);
  const Histogram seconds = metrics.NewHistogram("fleetcast_wait_seconds", "Wait", {0.1, 1});
  seconds.Observe(0.5);
  metrics.NewCounters("fleetcast_results_total", "Results", {"kind", "way"}).With({"ok", "rest"}).Add();
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("# TYPE fleetcast_sent_total counter\nfleetcast_sent_total 3\n"));
  EXPECT_THAT(text, HasSubstr("fleetcast_open 7\n"));
  EXPECT_THAT(text, HasSubstr("fleetcast_wait_seconds_bucket{le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("fleetcast_results_total{kind=\"ok\",way=\"rest\"} 1\n"));
}

TEST(MetricsTest, GivesTheSameMetricForTheSameName) {
  Metrics metrics;
  metrics.NewCounter("fleetcast_sent_total", "Sent").Add(1);
  EXPECT_EQ(metrics.NewCounter("fleetcast_sent_total", "Sent").value(), 1);
}

TEST(MetricsTest, FoldsLabelSetsBeyondTheBound) {
  Metrics metrics;
  const CounterFamily family = metrics.NewCounters("fleetcast_results_total", "Results", {"kind"});
  for (size_t i = 0; i < kLabelSetsMax + 10; ++i) family.With({absl::StrCat("kind-", i)}).Add();
  EXPECT_EQ(family.With({"kind-0"}).value(), 1);
  EXPECT_EQ(family.With({"other"}).value(), 10);
}

TEST(MetricsTest, DoesNothingThroughAnEmptyHandle) {
  Counter().Add();
  Gauge().Set(1);
  Histogram().Observe(1);
  EXPECT_EQ(CounterFamily().With({"a"}).value(), 0);
}

TEST(MetricsTest, ReadsGaugesUntilTheReaderIsGone) {
  Metrics metrics;
  {
    const GaugeReader depth = metrics.ReadGauge("fleetcast_depth", "Depth", [] { return 5.0; });
    const GaugeReader more = metrics.ReadGauge("fleetcast_depth", "Depth", [] { return 2.0; });
    EXPECT_THAT(metrics.Text(), HasSubstr("fleetcast_depth 7\n"));
  }
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("fleetcast_depth")));
}

TEST(MetricsServerTest, ServesOnAFreePortAndSaysWhenItCannot) {
  Metrics metrics;
  const auto server = MetricsServer::Start("127.0.0.1:0", metrics);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_GT((*server)->port(), 0);
  const auto second = MetricsServer::Start(absl::StrCat("127.0.0.1:", (*server)->port()), metrics);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace fleetcast::telemetry
