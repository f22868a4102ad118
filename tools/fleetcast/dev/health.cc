#include "tools/fleetcast/dev/health.h"

#include <future>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "libs/rpc/channel.h"

namespace fleetcast::dev {
namespace {

// grpc.health.v1.HealthCheckResponse with status = SERVING, on the wire: field 1, varint 1. The request is empty.
constexpr char kServing[] = {0x08, 0x01};

}  // namespace

bool IsServing(const std::string& address, absl::Duration limit) {
  const auto channel = rpc::MakeChannel(address);
  if (!channel.ok()) return false;
  grpc::GenericStub stub(*channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + limit));
  const grpc::Slice no_fields;
  grpc::ByteBuffer request(&no_fields, 1);
  grpc::ByteBuffer response;
  std::promise<bool> answered;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response,
                 [&answered](grpc::Status status) { answered.set_value(status.ok()); });
  if (!answered.get_future().get()) return false;
  grpc::Slice slice;
  return response.DumpToSingleSlice(&slice).ok() && slice.size() == sizeof(kServing) &&
         std::equal(slice.begin(), slice.end(), reinterpret_cast<const uint8_t*>(kServing));
}

}  // namespace fleetcast::dev
