// The W3C trace context: values and text. Needs no tracing library.
#include <algorithm>

#include "libs/telemetry/trace.h"

namespace fleetcast::telemetry {
namespace {

constexpr size_t kTraceparentBytes = 55;  // 00-<32>-<16>-<2>

thread_local TraceContext g_current;

template <size_t N>
void AppendHex(const std::array<uint8_t, N>& bytes, std::string* text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (const uint8_t byte : bytes) {
    text->push_back(kHex[byte >> 4]);
    text->push_back(kHex[byte & 15]);
  }
}

// Lower-case only, as the standard demands. -1 for anything else.
int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

template <size_t N>
bool ParseHex(std::string_view text, std::array<uint8_t, N>* bytes) {
  for (size_t i = 0; i < N; ++i) {
    const int high = HexDigit(text[2 * i]);
    const int low = HexDigit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    (*bytes)[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return true;
}

template <size_t N>
bool IsZero(const std::array<uint8_t, N>& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

}  // namespace

bool TraceContext::valid() const { return !IsZero(trace_id) && !IsZero(span_id); }

std::string TraceContext::TraceIdHex() const {
  std::string text;
  AppendHex(trace_id, &text);
  return text;
}

std::string TraceContext::SpanIdHex() const {
  std::string text;
  AppendHex(span_id, &text);
  return text;
}

std::string ToTraceparent(const TraceContext& context) {
  if (!context.valid()) return "";
  std::string text = "00-";
  text.reserve(kTraceparentBytes);
  AppendHex(context.trace_id, &text);
  text.push_back('-');
  AppendHex(context.span_id, &text);
  text += context.sampled() ? "-01" : "-00";
  return text;
}

TraceContext ParseTraceparent(std::string_view text) {
  // A later version may append fields after a dash; version 00 may not, ff is forbidden (W3C trace context 3.2).
  TraceContext context;
  std::array<uint8_t, 1> version;
  std::array<uint8_t, 1> flags;
  if (text.size() < kTraceparentBytes || text[2] != '-' || text[35] != '-' || text[52] != '-') return {};
  if (!ParseHex(text.substr(0, 2), &version) || version[0] == 0xff) return {};
  if (text.size() > kTraceparentBytes && (version[0] == 0 || text[kTraceparentBytes] != '-')) return {};
  if (!ParseHex(text.substr(3, 32), &context.trace_id) || !ParseHex(text.substr(36, 16), &context.span_id)) return {};
  if (!ParseHex(text.substr(53, 2), &flags) || !context.valid()) return {};
  context.flags = flags[0] & 1;
  return context;
}

const TraceContext& CurrentTrace() { return g_current; }

ScopedTrace::ScopedTrace(const TraceContext& context) : previous_(g_current) { g_current = context; }
ScopedTrace::~ScopedTrace() { g_current = previous_; }

}  // namespace fleetcast::telemetry
