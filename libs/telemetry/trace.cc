#include "libs/telemetry/trace.h"

#include <atomic>
#include <chrono>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/check.h"
#include "libs/base/strings.h"
#include "libs/telemetry/log.h"
#include "opentelemetry/exporters/otlp/otlp_grpc_exporter_factory.h"
#include "opentelemetry/sdk/common/global_log_handler.h"
#include "opentelemetry/sdk/resource/resource.h"
#include "opentelemetry/sdk/trace/batch_span_processor_factory.h"
#include "opentelemetry/sdk/trace/batch_span_processor_options.h"
#include "opentelemetry/sdk/trace/samplers/always_off_factory.h"
#include "opentelemetry/sdk/trace/samplers/always_on_factory.h"
#include "opentelemetry/sdk/trace/samplers/parent_factory.h"
#include "opentelemetry/sdk/trace/samplers/trace_id_ratio_factory.h"
#include "opentelemetry/sdk/trace/tracer_provider.h"
#include "opentelemetry/sdk/trace/tracer_provider_factory.h"
#include "opentelemetry/trace/span.h"
#include "opentelemetry/trace/span_startoptions.h"
#include "opentelemetry/trace/tracer.h"

namespace fleetcast::telemetry {
namespace {

namespace api = opentelemetry::trace;
namespace sdk = opentelemetry::sdk::trace;
namespace nostd = opentelemetry::nostd;

constexpr size_t kLinksMax = 128;
constexpr size_t kSpansQueuedMax = 8192;  // More are dropped, never waited for.
constexpr size_t kSpansPerExport = 512;

// Made by InitTracing and never destroyed: spans on other threads may still end while the process exits.
struct Tracing {
  std::shared_ptr<sdk::TracerProvider> provider;
  nostd::shared_ptr<api::Tracer> tracer;
};
Tracing* g_tracing = nullptr;  // Written before g_on is set for the first time, and never again.
std::atomic<bool> g_on = false;

nostd::string_view Otel(std::string_view text) { return {text.data(), text.size()}; }

api::SpanContext ToOtel(const TraceContext& context) {
  return api::SpanContext(api::TraceId(nostd::span<const uint8_t, 16>(context.trace_id.data(), 16)),
                          api::SpanId(nostd::span<const uint8_t, 8>(context.span_id.data(), 8)),
                          api::TraceFlags(context.flags), /*is_remote=*/true);
}

TraceContext FromOtel(const api::SpanContext& context) {
  TraceContext out;
  context.trace_id().CopyBytesTo(nostd::span<uint8_t, 16>(out.trace_id.data(), 16));
  context.span_id().CopyBytesTo(nostd::span<uint8_t, 8>(out.span_id.data(), 8));
  out.flags = context.trace_flags().flags();
  return out;
}

api::SpanKind ToOtel(SpanKind kind) {
  switch (kind) {
    case SpanKind::kInternal: return api::SpanKind::kInternal;
    case SpanKind::kServer: return api::SpanKind::kServer;
    case SpanKind::kClient: return api::SpanKind::kClient;
    case SpanKind::kProducer: return api::SpanKind::kProducer;
    case SpanKind::kConsumer: return api::SpanKind::kConsumer;
  }
  return api::SpanKind::kInternal;
}

std::unique_ptr<sdk::Sampler> MakeSampler(const TraceOptions& options) {
  const bool parent_based = absl::StartsWith(options.sampler, "parentbased_");
  const absl::string_view kind = absl::StripPrefix(options.sampler, "parentbased_");
  std::unique_ptr<sdk::Sampler> sampler;
  if (kind == "always_off") {
    sampler = sdk::AlwaysOffSamplerFactory::Create();
  } else if (kind == "traceidratio") {
    sampler = sdk::TraceIdRatioBasedSamplerFactory::Create(options.sampler_ratio);
  } else {
    sampler = sdk::AlwaysOnSamplerFactory::Create();
  }
  if (!parent_based) return sampler;
  return sdk::ParentBasedSamplerFactory::Create(std::shared_ptr<sdk::Sampler>(std::move(sampler)));
}

// The library's own complaints (a collector that does not answer, mostly) become events of ours.
class LogHandler final : public opentelemetry::sdk::common::internal_log::LogHandler {
 public:
  void Handle(opentelemetry::sdk::common::internal_log::LogLevel, const char*, int, const char* message,
              const opentelemetry::sdk::common::AttributeMap&) noexcept override {
    FLEETCAST_LOG_EVERY(kWarning, absl::Minutes(1), "tracing has trouble",
                        {{"what", message == nullptr ? "" : message}});
  }
};

std::unique_ptr<sdk::SpanExporter> MakeExporter(const TraceOptions& options) {
  namespace otlp = opentelemetry::exporter::otlp;
  otlp::OtlpGrpcExporterOptions exporter;
  exporter.endpoint = options.endpoint;
  exporter.use_ssl_credentials = absl::StartsWith(options.endpoint, "https://");
  exporter.timeout = std::chrono::seconds(10);
  for (const absl::string_view part : absl::StrSplit(options.headers, ',', absl::SkipWhitespace())) {
    const std::pair<std::string, std::string> entry = absl::StrSplit(part, absl::MaxSplits('=', 1));
    exporter.metadata.emplace(absl::AsciiStrToLower(absl::StripAsciiWhitespace(entry.first)),
                              std::string(absl::StripAsciiWhitespace(entry.second)));
  }
  return otlp::OtlpGrpcExporterFactory::Create(exporter);
}

}  // namespace

void InitTracing(const TraceOptions& options) {
  if (options.endpoint.empty()) return;
  FLEETCAST_CHECK(g_tracing == nullptr);
  opentelemetry::sdk::common::internal_log::GlobalLogHandler::SetLogHandler(
      nostd::shared_ptr<opentelemetry::sdk::common::internal_log::LogHandler>(new LogHandler));
  sdk::BatchSpanProcessorOptions batches;
  batches.max_queue_size = kSpansQueuedMax;
  batches.max_export_batch_size = kSpansPerExport;
  batches.schedule_delay_millis = std::chrono::milliseconds(1000);
  opentelemetry::sdk::resource::ResourceAttributes attributes;
  for (const auto& [key, value] : options.attributes) attributes.SetAttribute(key, value);
  attributes.SetAttribute("service.name", options.service);
  attributes.SetAttribute("service.version", options.version);

  auto* tracing = new Tracing;
  tracing->provider = sdk::TracerProviderFactory::Create(
      sdk::BatchSpanProcessorFactory::Create(MakeExporter(options), batches),
      opentelemetry::sdk::resource::Resource::Create(attributes), MakeSampler(options));
  tracing->tracer = tracing->provider->GetTracer("fleetcast", options.version);
  g_tracing = tracing;
  g_on.store(true, std::memory_order_release);
}

void ShutdownTracing(absl::Duration limit) {
  if (!g_on.exchange(false)) return;
  g_tracing->provider->ForceFlush(std::chrono::microseconds(absl::ToInt64Microseconds(limit)));
}

bool TracingEnabled() { return g_on.load(std::memory_order_acquire); }

struct Span::Impl {
  nostd::shared_ptr<api::Span> span;
};

Span::Span() = default;

Span::Span(std::string_view name, const SpanOptions& options) {
  const TraceContext parent = options.root ? TraceContext() : options.parent.value_or(CurrentTrace());
  context_ = parent;
  if (!TracingEnabled()) return;

  api::StartSpanOptions start;
  start.kind = ToOtel(options.kind);
  if (parent.valid()) start.parent = ToOtel(parent);
  const std::vector<std::pair<nostd::string_view, opentelemetry::common::AttributeValue>> no_attributes;
  std::vector<std::pair<api::SpanContext, std::map<std::string, std::string>>> links;
  for (const TraceContext& link : options.links) {
    if (link.valid() && links.size() < kLinksMax)
      links.emplace_back(ToOtel(link), std::map<std::string, std::string>());
  }
  nostd::shared_ptr<api::Span> span = g_tracing->tracer->StartSpan(Otel(name), no_attributes, links, start);
  context_ = FromOtel(span->GetContext());
  if (span->IsRecording()) impl_ = std::make_unique<Impl>(Impl{std::move(span)});
}

Span::~Span() { End(); }
Span::Span(Span&&) noexcept = default;
Span& Span::operator=(Span&& other) noexcept {
  End();
  impl_ = std::move(other.impl_);
  context_ = other.context_;
  return *this;
}

void Span::SetAttribute(std::string_view key, std::string_view value) {
  if (impl_ != nullptr) impl_->span->SetAttribute(Otel(key), Otel(value));
}

void Span::SetAttribute(std::string_view key, int64_t value) {
  if (impl_ != nullptr) impl_->span->SetAttribute(Otel(key), value);
}

void Span::SetStatus(const absl::Status& status) {
  if (impl_ == nullptr || status.ok()) return;
  impl_->span->SetAttribute("error.type", absl::StatusCodeToString(status.code()));
  impl_->span->SetStatus(api::StatusCode::kError, std::string(status.message()));
}

void Span::End() {
  if (impl_ == nullptr) return;
  impl_->span->End();
  impl_.reset();
}

}  // namespace fleetcast::telemetry
