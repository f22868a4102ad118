#include "libs/telemetry/trace.h"

#include <map>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fleetcast::telemetry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr char kTraceparent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(TraceContextTest, SurvivesItsTextForm) {
  const TraceContext context = ParseTraceparent(kTraceparent);
  EXPECT_TRUE(context.valid());
  EXPECT_TRUE(context.sampled());
  EXPECT_EQ(context.TraceIdHex(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(ToTraceparent(context), kTraceparent);
  EXPECT_EQ(ToTraceparent({}), "");
}

TEST(TraceContextTest, AcceptsLaterVersions) {
  EXPECT_TRUE(ParseTraceparent("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more").valid());
}

TEST(TraceContextTest, RefusesMalformedText) {
  for (const std::string_view text : {"", "00", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                      "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                      "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                                      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
                                      "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01"}) {
    EXPECT_FALSE(ParseTraceparent(text).valid()) << text;
  }
}

TEST(ScopedTraceTest, NestsAndIsPerThread) {
  const TraceContext context = ParseTraceparent(kTraceparent);
  {
    const ScopedTrace scope(context);
    EXPECT_EQ(CurrentTrace(), context);
    std::thread([] { EXPECT_FALSE(CurrentTrace().valid()); }).join();
    {
      const ScopedTrace none{TraceContext()};
      EXPECT_FALSE(CurrentTrace().valid());
    }
    EXPECT_EQ(CurrentTrace(), context);
  }
  EXPECT_FALSE(CurrentTrace().valid());
}

TEST(SpanTest, PassesTheParentOnWhenTracingIsOff) {
  const TraceContext context = ParseTraceparent(kTraceparent);
  Span span("work", {.parent = context});
  EXPECT_FALSE(span.recording());
  EXPECT_EQ(span.context(), context);
  span.SetAttribute("key", "value");
  span.SetStatus(absl::InternalError("ignored"));
}

TEST(SpanTest, RecordsOnceTracingIsOn) {
  // Nobody listens there: exporting fails quietly, spans work all the same.
  InitTracing({.service = "fleetcast-test", .endpoint = "http://127.0.0.1:1"});
  EXPECT_TRUE(TracingEnabled());
  const TraceContext parent = ParseTraceparent(kTraceparent);
  Span child("work", {.kind = SpanKind::kServer, .parent = parent, .links = {parent, {}}});
  EXPECT_TRUE(child.recording());
  EXPECT_EQ(child.context().trace_id, parent.trace_id);
  EXPECT_NE(child.context().span_id, parent.span_id);
  Span root("work", {.parent = parent, .root = true});
  EXPECT_NE(root.context().trace_id, parent.trace_id);
  EXPECT_TRUE(root.context().valid());

  TraceContext unsampled = parent;
  unsampled.flags = 0;
  EXPECT_FALSE(Span("work", {.parent = unsampled}).recording());
  Span moved = std::move(child);
  moved.End();
  ShutdownTracing(absl::Milliseconds(10));
  EXPECT_FALSE(TracingEnabled());
}

class TraceOptionsTest : public ::testing::Test {
 protected:
  TraceOptions Read() {
    return ReadTraceOptions(
        "fleetcast-test",
        [this](std::string_view name) -> std::optional<std::string> {
          const auto found = environment_.find(name);
          return found == environment_.end() ? std::nullopt : std::optional<std::string>(found->second);
        },
        &mistakes_);
  }

  std::map<std::string, std::string, std::less<>> environment_;
  std::vector<std::string> mistakes_;
};

TEST_F(TraceOptionsTest, IsOffByDefault) {
  const TraceOptions options = Read();
  EXPECT_EQ(options.endpoint, "");
  EXPECT_EQ(options.service, "fleetcast-test");
  EXPECT_THAT(mistakes_, IsEmpty());
}

TEST_F(TraceOptionsTest, ReadsTheStandardVariables) {
  environment_ = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"},
                  {"OTEL_SERVICE_NAME", "mine"},
                  {"OTEL_RESOURCE_ATTRIBUTES", "env=prod, note=a%20b"},
                  {"OTEL_TRACES_SAMPLER", "parentbased_traceidratio"},
                  {"OTEL_TRACES_SAMPLER_ARG", "0.25"}};
  const TraceOptions options = Read();
  EXPECT_EQ(options.endpoint, "http://collector:4317");
  EXPECT_EQ(options.service, "mine");
  EXPECT_THAT(options.attributes, ElementsAre(Pair("env", "prod"), Pair("note", "a b")));
  EXPECT_EQ(options.sampler_ratio, 0.25);
  EXPECT_THAT(mistakes_, IsEmpty());
}

TEST_F(TraceOptionsTest, PrefersTheEndpointForTraces) {
  environment_ = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b:2"}};
  EXPECT_EQ(Read().endpoint, "http://b:2");
}

TEST_F(TraceOptionsTest, CanBeSwitchedOff) {
  environment_ = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"}, {"OTEL_SDK_DISABLED", "True"}};
  EXPECT_EQ(Read().endpoint, "");
}

TEST_F(TraceOptionsTest, NamesEveryMistake) {
  environment_ = {
      {"OTEL_TRACES_SAMPLER", "sometimes"}, {"OTEL_TRACES_SAMPLER_ARG", "2"}, {"OTEL_RESOURCE_ATTRIBUTES", "x"}};
  Read();
  EXPECT_EQ(mistakes_.size(), 3u);
  EXPECT_THAT(mistakes_.back(), HasSubstr("0..1"));
}

}  // namespace
}  // namespace fleetcast::telemetry
