#include "services/job_api/target_counter.h"

#include <utility>

#include "fleetcast/internal/v1/target.grpc.pb.h"
#include "grpcpp/impl/codegen/channel_interface.h"
#include "libs/base/status_macros.h"

namespace fleetcast::job_api {
namespace {

namespace pb = fleetcast::internal::v1;

constexpr absl::Duration kCountLimit = absl::Seconds(20);  // A full scan of a large fleet takes seconds.

class GrpcTargetCounter final : public TargetCounter {
 public:
  explicit GrpcTargetCounter(std::shared_ptr<grpc::ChannelInterface> twin)
      : stub_(pb::TargetService::NewStub(std::move(twin))) {}

  absl::StatusOr<Matches> Count(const rpc::Call& call, const std::string& condition, int sample_size) override {
    pb::CountTargetsRequest request;
    request.set_condition(condition);
    request.set_sample_size(sample_size);
    pb::CountTargetsResponse response;
    FLEETCAST_RETURN_IF_ERROR(
        rpc::CallUnary(call, kCountLimit, "TargetService/CountTargets",
                       [&](grpc::ClientContext* context) { return stub_->CountTargets(context, request, &response); }));
    return Matches{response.count(),
                   response.connected_count(),
                   {response.sample_device_ids().begin(), response.sample_device_ids().end()}};
  }

 private:
  const std::unique_ptr<pb::TargetService::Stub> stub_;
};

}  // namespace

std::unique_ptr<TargetCounter> NewTargetCounter(std::shared_ptr<grpc::ChannelInterface> twin) {
  return std::make_unique<GrpcTargetCounter>(std::move(twin));
}

}  // namespace fleetcast::job_api
