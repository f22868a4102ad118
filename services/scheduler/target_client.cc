#include "services/scheduler/target_client.h"

#include <atomic>
#include <utility>

#include "fleetcast/internal/v1/target.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/call.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status.h"

namespace fleetcast::scheduler {
namespace {

namespace pb = fleetcast::internal::v1;

// A million devices take seconds; a stream that takes longer than this has stalled.
constexpr absl::Duration kStreamLimit = absl::Minutes(10);

}  // namespace

struct TargetClient::State {
  std::vector<std::unique_ptr<pb::TargetService::Stub>> stubs;
  std::atomic<size_t> next = 0;
};

absl::StatusOr<std::unique_ptr<TargetClient>> TargetClient::Make(const std::vector<std::string>& addresses) {
  auto state = std::make_unique<State>();
  for (const std::string& address : addresses) {
    FLEETCAST_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelInterface> channel, rpc::MakeChannel(address));
    state->stubs.push_back(pb::TargetService::NewStub(channel));
  }
  if (state->stubs.empty()) return absl::InvalidArgumentError("no address");
  return std::unique_ptr<TargetClient>(new TargetClient(std::move(state)));
}

TargetClient::TargetClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
TargetClient::~TargetClient() = default;

absl::Status TargetClient::StreamTargets(std::string_view condition, std::string_view after_device_id,
                                         std::stop_token stop,
                                         const std::function<absl::Status(std::vector<std::string> page)>& on_page) {
  grpc::ClientContext context;
  rpc::PrepareContext(rpc::BackgroundCall(kStreamLimit, stop, telemetry::CurrentTrace()), kStreamLimit, &context);
  const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
  pb::StreamTargetsRequest request;
  request.set_condition(condition.data(), condition.size());
  request.set_after_device_id(after_device_id.data(), after_device_id.size());
  auto& stub = *state_->stubs[state_->next.load() % state_->stubs.size()];
  const std::unique_ptr<grpc::ClientReader<pb::StreamTargetsResponse>> reader = stub.StreamTargets(&context, request);
  absl::Status refused;
  pb::StreamTargetsResponse response;
  while (refused.ok() && reader->Read(&response)) {
    auto& ids = *response.mutable_device_ids();
    refused = on_page({std::make_move_iterator(ids.begin()), std::make_move_iterator(ids.end())});
    response.Clear();
  }
  if (!refused.ok()) context.TryCancel();
  absl::Status status = rpc::FromGrpc(reader->Finish());
  if (!refused.ok()) return refused;
  if (absl::IsUnavailable(status)) ++state_->next;
  return status;
}

}  // namespace fleetcast::scheduler
