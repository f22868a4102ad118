#include "libs/rpc/call.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "grpcpp/client_context.h"
#include "libs/base/clock.h"
#include "libs/base/strings.h"
#include "libs/rpc/guard.h"
#include "libs/rpc/metadata.h"
#include "libs/rpc/status.h"

namespace fleetcast::rpc {

absl::Duration Call::Remaining() const { return std::max(deadline - SystemClock().Now(), absl::ZeroDuration()); }

Call BackgroundCall(absl::Duration limit, std::stop_token stop, const telemetry::TraceContext& trace) {
  return {.deadline = SystemClock().Now() + limit, .stop = std::move(stop), .trace = trace};
}

void PrepareContext(const Call& call, absl::Duration limit, grpc::ClientContext* context) {
  const absl::Time deadline = std::min(SystemClock().Now() + limit, call.deadline - kHopMargin);
  context->set_deadline(absl::ToChronoTime(deadline));
  if (const std::string traceparent = ToTraceparent(call.trace); !traceparent.empty()) {
    context->AddMetadata(kTraceparentKey, traceparent);
  }
}

absl::Status CallUnary(const Call& call, absl::Duration limit, std::string_view method,
                       const std::function<grpc::Status(grpc::ClientContext* context)>& start) {
  if (call.stop.stop_requested()) return absl::CancelledError("the caller has gone");
  if (call.Remaining() <= kHopMargin) {
    return absl::DeadlineExceededError(absl::StrCat("no time is left to call ", Absl(method)));
  }
  telemetry::Span span(method, {.kind = telemetry::SpanKind::kClient, .parent = call.trace});
  Call child = call;
  child.trace = span.context();

  grpc::ClientContext context;
  PrepareContext(child, limit, &context);
  absl::Status status;
  {
    const std::stop_callback cancel(call.stop, [&context] { context.TryCancel(); });
    status = Guarded([&] { return FromGrpc(start(&context)); });
  }
  span.SetStatus(status);
  return status;
}

}  // namespace fleetcast::rpc
