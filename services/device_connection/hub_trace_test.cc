// Trace contexts on their way through (MQTT 5): of callers to devices, of devices to the registry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/testing/wait_for.h"
#include "services/device_connection/testing/hub_fixture.h"

namespace fleetcast::device_connection {
namespace {

using fleetcast::testing::WaitFor;
using ::testing::HasSubstr;
namespace pb = ::fleetcast::internal::v1;

constexpr char kTraceId[] = "0af7651916cd43dd8448eb211c80319c";
constexpr char kTrace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

using HubTraceTest = testing::HubFixture;

TEST_F(HubTraceTest, ThatOfACallGoesWithItToTheEdge) {
  const auto edge = NewEdge();
  const auto dispatcher = NewDispatcher();
  OpenAccepted(*edge, 5, "dev-1");
  pb::DeliverRequest request;
  pb::MethodRequest* what = request.add_requests();
  what->set_method("lockDoor");
  what->set_payload("{}");
  what->set_traceparent(kTrace);
  pb::DeliverCall* call = request.add_calls();
  call->set_call_id(7);
  call->set_device_id("dev-1");
  call->set_permit_expire_unix_micros(absl::ToUnixMicros(absl::Now() + absl::Seconds(10)));
  call->set_answer_deadline_unix_micros(absl::ToUnixMicros(absl::Now() + absl::Seconds(30)));
  dispatcher->stream().Write(request);
  const auto pushed = edge->AwaitCall(7);
  ASSERT_TRUE(pushed.has_value());
  EXPECT_EQ(pushed->traceparent(), kTrace);
}

TEST_F(HubTraceTest, ThatOfATwinReadGoesOnToTheRegistry) {
  const auto edge = NewEdge();
  const auto opened = OpenAccepted(*edge, 5, "dev-1");
  pb::AttachRequest request;
  pb::TwinRead* read = request.add_twin_reads();
  read->set_session(5);
  read->set_device_id("dev-1");
  read->set_epoch(opened.epoch());
  read->set_request_id("1");
  read->set_traceparent(kTrace);
  edge->stream().Write(request);
  ASSERT_TRUE(WaitFor([&] { return !twin_.read_traceparent().empty(); }));
  EXPECT_THAT(twin_.read_traceparent(), HasSubstr(kTraceId));
}

}  // namespace
}  // namespace fleetcast::device_connection
