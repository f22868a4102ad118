// Traces: spans with the W3C trace context, exported by OTLP over gRPC.
//
//   telemetry::Span span("dispatch batch", {.parent = call.trace, .links = {batch.trace}});
//   span.SetAttribute("fleetcast.batch_size", batch.size());
//   telemetry::ScopedTrace scope(span.context());    // Logs of this thread carry the ids; new spans are its children.
//   …
//   span.SetStatus(status);                          // The destructor ends the span.
//
// Off when no endpoint is given: a Span then costs a few copies and passes its parent's context on, so that a context
// still travels through. Per batch, never per device, unless sampled by the caller (ecosystem 3.3).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace fleetcast::telemetry {

// Where a piece of work belongs: the part of a trace that crosses processes. A small value; all zero = none.
struct TraceContext {
  std::array<uint8_t, 16> trace_id = {};
  std::array<uint8_t, 8> span_id = {};
  uint8_t flags = 0;  // Bit 0: sampled.

  bool valid() const;
  bool sampled() const { return (flags & 1) != 0; }
  // Lower-case hex.
  std::string TraceIdHex() const;
  std::string SpanIdHex() const;

  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

// The form of the W3C header `traceparent` (00-<trace id>-<span id>-<flags>), for gRPC metadata, job rows and batches.
// Empty for an invalid context.
std::string ToTraceparent(const TraceContext& context);

// The context in a `traceparent`; an invalid one when the text is malformed or empty.
TraceContext ParseTraceparent(std::string_view text);

// The context of this thread, set by ScopedTrace; invalid when there is none.
const TraceContext& CurrentTrace();

// Makes a context the thread's current one for a scope. Scopes nest.
class ScopedTrace {
 public:
  explicit ScopedTrace(const TraceContext& context);
  ~ScopedTrace();
  ScopedTrace(const ScopedTrace&) = delete;
  ScopedTrace& operator=(const ScopedTrace&) = delete;

 private:
  TraceContext previous_;
};

struct TraceOptions {
  std::string service = {};   // service.name; OTEL_SERVICE_NAME wins.
  std::string version = {};   // service.version
  std::string endpoint = {};  // OTLP/gRPC endpoint, http://host:4317 or host:4317. Empty = off.
  std::string headers = {};   // OTEL_EXPORTER_OTLP_HEADERS: a=b,c=d
  std::map<std::string, std::string> attributes = {};  // OTEL_RESOURCE_ATTRIBUTES
  std::string sampler = "parentbased_always_on";       // OTEL_TRACES_SAMPLER
  double sampler_ratio = 1.0;                          // OTEL_TRACES_SAMPLER_ARG
};

// Reads the standard variables OTEL_SDK_DISABLED, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT,
// OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_EXPORTER (otlp or none),
// OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG. `mistakes` gets a line per variable that cannot be understood.
TraceOptions ReadTraceOptions(std::string_view service,
                              const std::function<std::optional<std::string>(std::string_view)>& environment,
                              std::vector<std::string>* mistakes);

// Starts exporting; does nothing when the endpoint is empty. Once per process, before the first span.
void InitTracing(const TraceOptions& options);

// Exports what is left, for at most `limit`, and turns tracing off.
void ShutdownTracing(absl::Duration limit);

// True between InitTracing with an endpoint and ShutdownTracing.
bool TracingEnabled();

enum class SpanKind { kInternal, kServer, kClient, kProducer, kConsumer };

struct SpanOptions {
  SpanKind kind = SpanKind::kInternal;
  std::optional<TraceContext> parent = {};  // Unset: the thread's current trace.
  bool root = false;                        // True: start a new trace, whatever the parent.
  std::vector<TraceContext> links = {};     // Related work in other traces; invalid ones are skipped. At most 128.
};

// One piece of work. Movable; used by one thread at a time; may be ended on another thread than it was started on.
class Span {
 public:
  // A span that records nothing and has no context.
  Span();
  // Starts a span. `name` is a constant of few different values: "dispatch batch",
  // "fleetcast.jobs.v1.JobService/GetJob".
  explicit Span(std::string_view name, const SpanOptions& options = {});
  // Ends the span if End was not called.
  ~Span();
  Span(Span&&) noexcept;
  Span& operator=(Span&&) noexcept;

  void SetAttribute(std::string_view key, std::string_view value);
  void SetAttribute(std::string_view key, int64_t value);
  // An error status marks the span as failed; OK does nothing.
  void SetStatus(const absl::Status& status);
  void End();

  // True when this span is sampled: attributes are worth computing.
  bool recording() const { return impl_ != nullptr; }
  // This span's context, for children and messages; its parent's when tracing is off.
  const TraceContext& context() const { return context_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  TraceContext context_;
};

}  // namespace fleetcast::telemetry
