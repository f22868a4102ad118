// The standard OTEL_* variables. The library's version (1.19) reads hardly any of them itself.
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/strings.h"
#include "libs/telemetry/trace.h"

namespace fleetcast::telemetry {
namespace {

using Lookup = std::function<std::optional<std::string>(std::string_view)>;

// The value of `name`; empty counts as unset (OpenTelemetry specification).
std::string Get(const Lookup& environment, std::string_view name) { return environment(name).value_or(""); }

std::string PercentDecode(absl::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && absl::ascii_isxdigit(text[i + 1]) && absl::ascii_isxdigit(text[i + 2]);
    if (escape) {
      decoded += absl::HexStringToBytes(text.substr(i + 1, 2));
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

void ReadAttributes(const Lookup& environment, TraceOptions* options, std::vector<std::string>* mistakes) {
  const std::string text = Get(environment, "OTEL_RESOURCE_ATTRIBUTES");
  for (const absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    const std::pair<absl::string_view, absl::string_view> entry = absl::StrSplit(part, absl::MaxSplits('=', 1));
    const absl::string_view key = absl::StripAsciiWhitespace(entry.first);
    if (key.empty() || !absl::StrContains(part, "=")) {
      mistakes->push_back(absl::StrCat("OTEL_RESOURCE_ATTRIBUTES has '", part, "'; write key=value,key=value"));
      continue;
    }
    options->attributes[std::string(key)] = PercentDecode(absl::StripAsciiWhitespace(entry.second));
  }
}

void ReadSampler(const Lookup& environment, TraceOptions* options, std::vector<std::string>* mistakes) {
  const std::string sampler = Get(environment, "OTEL_TRACES_SAMPLER");
  if (!sampler.empty()) options->sampler = sampler;
  const absl::string_view kind = absl::StripPrefix(options->sampler, "parentbased_");
  if (kind != "always_on" && kind != "always_off" && kind != "traceidratio") {
    mistakes->push_back(absl::StrCat("OTEL_TRACES_SAMPLER='", sampler,
                                     "' is unknown; use always_on, always_off, traceidratio or these with the prefix "
                                     "parentbased_"));
  }
  const std::string ratio = Get(environment, "OTEL_TRACES_SAMPLER_ARG");
  if (ratio.empty()) return;
  double value = 0;
  if (!absl::SimpleAtod(ratio, &value) || !(value >= 0 && value <= 1)) {
    mistakes->push_back(absl::StrCat("OTEL_TRACES_SAMPLER_ARG='", ratio, "' must be a number in 0..1"));
    return;
  }
  options->sampler_ratio = value;
}

}  // namespace

TraceOptions ReadTraceOptions(std::string_view service, const Lookup& environment, std::vector<std::string>* mistakes) {
  TraceOptions options;
  options.service = Get(environment, "OTEL_SERVICE_NAME");
  if (options.service.empty()) options.service = service;
  options.headers = Get(environment, "OTEL_EXPORTER_OTLP_HEADERS");
  ReadAttributes(environment, &options, mistakes);
  ReadSampler(environment, &options, mistakes);

  const std::string exporter = Get(environment, "OTEL_TRACES_EXPORTER");
  if (!exporter.empty() && exporter != "otlp" && exporter != "none") {
    mistakes->push_back(absl::StrCat("OTEL_TRACES_EXPORTER='", exporter, "' is unknown; use otlp or none"));
  }
  const bool off = absl::EqualsIgnoreCase(Get(environment, "OTEL_SDK_DISABLED"), "true") || exporter == "none";
  if (off) return options;
  options.endpoint = Get(environment, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
  if (options.endpoint.empty()) options.endpoint = Get(environment, "OTEL_EXPORTER_OTLP_ENDPOINT");
  return options;
}

}  // namespace fleetcast::telemetry
